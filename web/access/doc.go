// Package access says who may reach the dashboard, and as what: it stands in
// front of every page, stream and form of package web.
//
// Without a token file the dashboard is there for this computer alone: it
// listens on loopback, takes no name but localhost, and whoever has a login here
// is its operator, "local" in the audit log. With a token file it may listen
// anywhere; each token has a name and a role. Programs send theirs as a bearer,
// browsers exchange it for a session.
//
// It does not know what is behind it, but three things hold for all of it: what
// is not on the short public list needs a role; what is no GET or HEAD needs an
// operator and comes from a page of this origin; and no client is waited for
// longer than a bounded time, nor remembered in more than bounded memory.
//
// The traps: browsers attach cookies, and reach loopback, for pages of
// strangers, so that an address says nothing about who asks; a proxy on this
// computer makes strangers look local; cookies are shared by all ports of a
// host; and http.Server's WriteTimeout cuts streams of events, which is why every
// piece of an answer has a deadline of its own here.
package access
