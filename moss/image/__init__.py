"""Images: a root directory as a tar archive, an OCI image, or a disk that boots.

    tar     every path of a root, in order, the same bytes each time
    oci     a layout of the Open Container Initiative's image format, version 1.0, with one layer
    disk    a GPT with an EFI system partition and an ext4 root, made without loop devices and mounts
"""
