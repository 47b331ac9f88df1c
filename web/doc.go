// Package web is the dashboard of a rig: what its benches do now, what their
// soaks came to, and the few things that a person may do about it; the same for
// programs under /api/v1.
//
// It knows pages, streams and forms. It does not know the store, the files, the
// ear or a relay: those are behind the small interfaces of seam.go, and nothing
// that a page sends can switch a relay on: it can begin a scenario, let one go
// on, or end one.
//
// The trap: a viewer is never waited for. What a bench tells (live.go) only
// takes a lock for the length of a copy; whatever is slow, a template, a socket,
// a disk, is on the viewer's own goroutine, and a viewer who cannot keep up sees
// fewer pictures of the same present.
package web
