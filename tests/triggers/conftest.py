from tests.triggers.sandboxes import tree as tree
from tests.triggers.worlds import made as made
from tests.triggers.worlds import world as world
