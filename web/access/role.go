package access

import (
	"context"
	"fmt"
	"net/http"
)

// Role is what somebody may do. Each may do what those before it may.
type Role int

// The roles.
const (
	Nobody   Role = iota // public pages
	Viewer               // sees everything, changes nothing
	Operator             // starts, stops, writes
)

var roleNames = [...]string{Nobody: "nobody", Viewer: "viewer", Operator: "operator"}

// String is the role as the token file and the audit log write it.
func (r Role) String() string {
	if r < 0 || int(r) >= len(roleNames) {
		return fmt.Sprintf("role %d", int(r))
	}
	return roleNames[r]
}

// MarshalText is String, for JSON.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ParseRole reads viewer or operator.
func ParseRole(s string) (Role, error) {
	for _, r := range []Role{Viewer, Operator} {
		if s == r.String() {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("role %q: it is viewer or operator", s)
}

// Identity is who asks, for the audit log.
type Identity struct {
	Name string // of the token; "local" without a token file, "" is nobody
	Role Role
	// Addr is the address of the connection's other end, without its port. What a
	// proxy says about addresses is not believed.
	Addr string
}

// May reports whether the role is at least this one.
func (i Identity) May(role Role) bool { return i.Role >= role }

// grant is what a request was let in with.
type grant struct {
	Identity
	// still says why it no longer holds, nil while it does.
	still func() error
}

type contextKey int

const (
	grantKey contextKey = iota
	closingKey
)

// Who is who asks: what Policy.Handler found out, and nobody where the request
// did not come through it. No header, cookie or form says it.
func Who(ctx context.Context) Identity {
	g, _ := ctx.Value(grantKey).(grant)
	return g.Identity
}

// WithIdentity is a context in which Who is id: for what runs on behalf of
// somebody without a request of theirs, and for tests of what stands behind a
// Policy.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, grantKey, grant{Identity: id, still: func() error { return nil }})
}

// Require lets those who have at least that role through to next, and answers
// 403 to others. Policy.Handler asks for an operator for everything but GET and
// HEAD already, and for a viewer for these: this is for a GET that only an
// operator may see.
func Require(role Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := Who(r.Context()); !id.May(role) {
			policyOf(w).deny(w, r, http.StatusForbidden, needs(role, id))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func needs(role Role, id Identity) string {
	if id.Role == Nobody {
		return fmt.Sprintf("this needs a login as %s", role)
	}
	return fmt.Sprintf("this needs an %s, and the token %q is a %s", role, id.Name, id.Role)
}
