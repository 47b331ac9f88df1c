// Package nvr talks to recorders and proves their default state.
//
// It knows the dialects of recorders (the CGI of Dahua and IMOU, DevInit on
// /OutsideCmd, discovery over DHIP, plain HTTP), who a unit is, which login it
// takes, how to provision, mark and reset it, and which questions show that it
// is in its default state. It does not know relays, sound, files or the
// simulator: the network is behind Network, the account of refused logins
// behind Ledger, passwords behind Vault, time behind rig.Clock.
//
// The trap: a recorder locks its logins after a few refusals, and a unit of the
// new generation has no default password at all. So what needs no credentials
// is asked first, a password is tried once per change of state and never in a
// poll, and every refusal is counted durably before the next is risked. The
// second trap: a new password exists before it is set. It is in the Vault
// before the unit hears of it, so that no crash can lose the unit. The third:
// whoever answers at an address need not be the bench's unit. Each look and each
// login begins anew to show who it is, and before it has, nothing is changed on
// it and nothing said of it.
package nvr
