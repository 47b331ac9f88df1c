// Package report shows records: as text for a terminal or a file, as JSON
// lines, JUnit XML and CSV.
//
// It knows how outcomes are counted, what a failure rate may claim, and how a
// cycle reads. It does not know where records come from: it is given an
// iterator, goes through it once (JUnit and CSV twice) and holds a bounded part
// of it, so that a soak of weeks is reported in the memory of a short one.
//
// The trap: much of a record's text was said by the device under test. It is
// printed with every control character replaced, or a recorder could write
// escape sequences into a terminal and break an XML file.
package report
