// Package store keeps results: one SQLite database with every run, every cycle
// begun and every record committed, the relays' life account, the ledger of
// refused logins, what waits to be told to the outside, what a person asks of a
// running soak, who did and said what, and beside it the cycles' evidence by its
// content, and the vault with the DUTs' passwords.
//
// It knows how a record becomes durable (one transaction, write-ahead log,
// synchronous FULL: on the disk when Commit returns), that a record is written
// once and never changed, and how to tell a cycle that is running from one
// whose process has died. It does not know how a cycle runs, what a scenario
// means or how a result is shown.
//
// The trap: the database's file must not be opened and closed by anything but
// SQLite within this process. POSIX locks belong to the process, so closing
// any descriptor of that file drops SQLite's locks, and another process may
// then delete the log under it. What has to be known before SQLite opens the
// file is asked with stat.
package store
