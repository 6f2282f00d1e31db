// Starts Azurite, as its own command does.

require("azurite/dist/src/azurite.js");
