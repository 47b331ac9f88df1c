package nvr

import (
	"net/http"
	"strings"

	"github.com/icholy/digest"
)

// challenge is one entry of a WWW-Authenticate header.
type challenge struct {
	scheme string // lower case
	params map[string]string
}

// challenges reads every challenge of a header. It takes what recorders send
// and the library's parser refuses: trailing commas, tabs, capitalised keys,
// unquoted values with _ or =, and several challenges on one line.
func challenges(h http.Header) []challenge {
	var out []challenge
	for _, line := range h.Values("WWW-Authenticate") {
		out = append(out, parseChallenges(line)...)
	}
	return out
}

func parseChallenges(s string) []challenge {
	var out []challenge
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return out
		}
		end := strings.IndexAny(s, " \t,=\"")
		if end < 0 {
			end = len(s)
		}
		word, rest := s[:end], strings.TrimLeft(s[end:], " \t")
		if word == "" { // a stray quote or equals sign
			s = s[1:]
			continue
		}
		if !strings.HasPrefix(rest, "=") {
			out = append(out, challenge{strings.ToLower(word), map[string]string{}})
			s = rest
			continue
		}
		var value string
		value, s = parseValue(strings.TrimLeft(rest[1:], " \t"))
		if len(out) == 0 { // a parameter without a scheme
			continue
		}
		key := strings.ToLower(word)
		if _, twice := out[len(out)-1].params[key]; !twice {
			out[len(out)-1].params[key] = value
		}
	}
}

func parseValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t,")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// findChallenge is digest.Transport's hook: the first digest challenge that
// can be answered. Its list of qop is split without the spaces, which the
// library would keep: it takes auth only where it finds that very word.
func findChallenge(h http.Header) (*digest.Challenge, error) {
	for _, c := range challenges(h) {
		if c.scheme != "digest" || c.params["nonce"] == "" {
			continue
		}
		var qop []string
		for _, q := range strings.FieldsFunc(c.params["qop"], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
			qop = append(qop, strings.ToLower(q))
		}
		dc := &digest.Challenge{
			Realm: c.params["realm"], Nonce: c.params["nonce"], Opaque: c.params["opaque"],
			Stale: strings.EqualFold(c.params["stale"], "true"), Algorithm: c.params["algorithm"],
			QOP: qop, Userhash: strings.EqualFold(c.params["userhash"], "true"),
		}
		if digest.CanDigest(dc) {
			return dc, nil
		}
	}
	return nil, digest.ErrNoChallenge
}

// offersBasic reports whether basic is all that a header offers.
func offersBasic(h http.Header) bool {
	basic := false
	for _, c := range challenges(h) {
		switch c.scheme {
		case "digest":
			return false
		case "basic":
			basic = true
		}
	}
	return basic
}

// staleNonce reports whether a 401 blames the nonce and not the password.
func staleNonce(h http.Header) bool {
	c, err := findChallenge(h)
	return err == nil && c.Stale
}
