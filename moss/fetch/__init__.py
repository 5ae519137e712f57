"""Getting files from where repositories have them: this machine, or a server over HTTP.

    uris        what the person or an index wrote becomes a URI; no escape from a repository's place
    transport   what a way of getting at files must do; `network` chooses one by the URI's scheme
    local http  the two ways there are; `manners` says how patient the second one is
    document    a small file into memory, at most so many bytes, or word that it is as it was
    files       many large files into a directory, in parallel, resumed, each held to its digest
    verify      the same promise for a file that is read in place

What is read is verified against the size and digest that a trusted index gives, from the very file
object that is parsed later: nothing verified is opened again by its path. Nothing here is imported
before it is needed, and urllib3 only when something is fetched over the network.
"""
