package nvr

import (
	"errors"
	"io"
	"strings"

	"resetrig/rig"
)

// passwordLength is within every limit seen (8 to 32), with 71 bits of chance.
const passwordLength = 12

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// PasswordRule says whether the firmware takes a password: 8 to 32 characters
// of two classes or more (lower, upper, digits, others), none of ' " ; : &.
func PasswordRule(p rig.Secret) error {
	s := p.Reveal()
	var lower, upper, digit, other int
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z':
			lower = 1
		case r >= 'A' && r <= 'Z':
			upper = 1
		case r >= '0' && r <= '9':
			digit = 1
		case r <= ' ' || r > '~':
			return errors.New("password: only printable ASCII without spaces is taken")
		default:
			other = 1
		}
	}
	switch {
	case len(s) < 8 || len(s) > 32:
		return errors.New("password: want 8 to 32 characters")
	case strings.ContainsAny(s, `'";:&`):
		return errors.New(`password: none of ' " ; : & is taken`)
	case lower+upper+digit+other < 2:
		return errors.New("password: want characters of two classes: lower case, upper case, digits, others")
	}
	return nil
}

// newPassword makes one up that the rule takes.
func newPassword(random io.Reader) (rig.Secret, error) {
	for {
		s, err := randomText(random, letters+digits, passwordLength)
		if err != nil {
			return "", err
		}
		if strings.ContainsAny(s, digits) && strings.ContainsAny(s, letters) && PasswordRule(rig.Secret(s)) == nil {
			return rig.Secret(s), nil
		}
	}
}
