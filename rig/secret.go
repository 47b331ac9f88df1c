package rig

import "fmt"

// Secret is a text that never prints: every verb of fmt, JSON, YAML and log
// give ***. Reveal is the one way to its value.
type Secret string

// Reveal is the secret itself, for the one place that must send it.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Credential is a login. Its password hides itself.
type Credential struct {
	User     string
	Password Secret
}
