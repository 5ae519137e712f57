from tests.triggers.worlds import made as made
from tests.triggers.worlds import world as world
