package nvr

import (
	"context"
	"net/http"
	"time"

	"github.com/icholy/digest"

	"resetrig/rig"
)

// Speaking is what a dialect does with a login, for tests of what no procedure
// of the device uses alone.
type Speaking struct {
	d *Device
	s *session
}

// Speak logs in with what is known.
func Speak(ctx context.Context, d *Device) (Speaking, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, _, err := d.need(ctx); err != nil {
		return Speaking{}, err
	}
	s, err := d.knownLogin(ctx)
	return Speaking{d, s}, err
}

func (k Speaking) Uptime(ctx context.Context) (time.Duration, error) {
	return k.d.dialect.uptime(ctx, k.s)
}
func (k Speaking) Users(ctx context.Context) ([]string, error) { return k.d.dialect.users(ctx, k.s) }
func (k Speaking) AddUser(ctx context.Context, c rig.Credential) error {
	return k.d.dialect.addUser(ctx, k.s, c)
}
func (k Speaking) DeleteUser(ctx context.Context, name string) error {
	return k.d.dialect.deleteUser(ctx, k.s, name)
}
func (k Speaking) Table(ctx context.Context, name string) (map[string]string, error) {
	return k.d.dialect.table(ctx, k.s, name)
}
func (k Speaking) Set(ctx context.Context, key, value string) error {
	return k.d.dialect.set(ctx, k.s, key, value)
}
func (k Speaking) MAC(ctx context.Context, wanted string) (string, error) {
	return k.d.dialect.mac(ctx, k.s, wanted)
}
func (k Speaking) Reset(ctx context.Context, function string) error {
	return k.d.dialect.reset(ctx, k.s, function)
}
func (k Speaking) Scope(function string, tables []string) []string {
	return k.d.dialect.scope(function, tables)
}

// NeighbourIn reads a table of the kernel's form.
func NeighbourIn(table, ip, iface string) (string, bool) { return neighbourIn(table, ip, iface) }

// FindChallenge is the challenge that is answered.
func FindChallenge(h http.Header) (*digest.Challenge, error) { return findChallenge(h) }
