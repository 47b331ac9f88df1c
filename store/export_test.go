package store

// Checksum lets a test write a record as a later version would.
var Checksum = checksum
