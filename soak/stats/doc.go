// Package stats is the mathematics of a soak: what its counts, its measurements
// and its failures allow to say, and with what confidence.
//
// It knows numbers and nothing of rigs, records or files: it imports gonum and
// the standard library, and soak, report and cmd import it. Every figure that it
// gives names its convention and its source, and a test holds it against a
// published or a closed-form value.
//
// The trap: most formulas here assume that cycles are independent of each other
// and that their number was not chosen by looking at the results. Where a soak
// stops because of what it saw, only the tests made for that (Sequential) keep
// their promise; the others then describe, and prove nothing.
package stats
