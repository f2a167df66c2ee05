// Times, positions, grades and the words for changes are values of the core: whoever imports the player needs no other name
// for them.
@_exported public import ThroughlineCore
