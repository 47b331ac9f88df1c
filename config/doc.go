// Package config reads the files that a person writes: benches, scenarios,
// models, calibrations and baselines. It turns each into plain values, fills in
// the defaults, and checks everything that one file can be checked for on its
// own.
//
// It does not know what a bench file's relays are driven by, whether a line or a
// simulated recorder of that name exists, or whether a scenario suits a bench:
// who wires the program together finds out.
//
// The trap: a file is read strictly, and every problem in it is reported, with
// its place and what would be right, before anything is believed. The structs of
// this package carry their rules in the jsonschema tags, from which both the
// check here and the published schema come; a rule added elsewhere is one that
// editors do not know of.
package config
