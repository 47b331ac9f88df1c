// Package reporttest reads reports back: the page, JUnit, CSV and JSON of one run
// must say the same. It is imported by tests only.
//
// It knows the formats from outside, as their readers do, and nothing of the code
// that writes them.
package reporttest
