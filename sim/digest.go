package sim

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// Digest access authentication as RFC 7616 and RFC 2617 have it: MD5 and
// SHA-256, qop auth, auth-int or none (RFC 2069).

// verdict is what the server thinks of a request's login.
type verdict int

const (
	noLogin   verdict = iota // no credentials came
	refused                  // wrong ones
	malformed                // not readable, or for another challenge
	reused                   // right ones for a nonce that was used before
	accepted
)

// scheme is how a unit wants a login.
type scheme struct {
	basic, sha256 bool
	reuse         bool // a nonce may come again, with a higher count
	authInt       bool // offered beside auth
	realm, opaque string
	// challenge is what follows "Digest ", and what its parameters are parted by.
	challenge func(nonce string) (params []authParam, sep string)
}

// authParam is a parameter of a challenge, quoted unless it is bare.
type authParam struct {
	name, value string
	bare        bool
}

// maxNonces is how many nonces the server remembers.
const maxNonces = 256

// nonces are those given out, with the highest count that each came with.
type nonces struct {
	order []string
	used  map[string]uint64
}

func (n *nonces) add(s string) {
	if n.used == nil {
		n.used = map[string]uint64{}
	}
	if len(n.order) == maxNonces {
		delete(n.used, n.order[0])
		n.order = append(n.order[:0], n.order[1:]...)
	}
	n.order = append(n.order, s)
	n.used[s] = 0
}

// challenge is a fresh WWW-Authenticate header.
func (w *World) challenge() string {
	s := w.speaks.scheme()
	if s.basic {
		return `Basic realm="` + s.realm + `"`
	}
	n := w.speaks.nonce()
	w.server.nonces.add(n)
	params, sep := s.challenge(n)
	switch {
	case w.quirk(challengeTight):
		sep = ","
	case w.quirk(challengeSpaced):
		sep = ", "
	case w.quirk(challengeTabs):
		sep = ",\t"
	}
	if s.sha256 {
		params = setParam(params, authParam{"algorithm", "SHA-256", false})
	}
	if s.authInt {
		params = setParam(params, authParam{"qop", "auth-int, auth", false})
	}
	var b strings.Builder
	if w.quirk(challengeBasic) {
		b.WriteString(`Basic realm="` + s.realm + `", `)
	}
	b.WriteString("Digest ")
	for i, p := range params {
		if i > 0 {
			b.WriteString(sep)
		}
		if w.quirk(challengeBare) && (p.name == "stale" || p.name == "algorithm" || p.name == "qop" && !s.authInt) {
			p.bare = true
		}
		if w.quirk(challengeCapital) {
			p.name = strings.ToUpper(p.name[:1]) + p.name[1:]
		}
		b.WriteString(p.name + "=")
		if p.bare {
			b.WriteString(p.value)
		} else {
			b.WriteString(`"` + p.value + `"`)
		}
	}
	if w.quirk(challengeComma) {
		b.WriteString(",")
	}
	return b.String()
}

// setParam replaces a parameter or puts it at the end.
func setParam(params []authParam, p authParam) []authParam {
	for i := range params {
		if params[i].name == p.name {
			params[i].value = p.value
			return params
		}
	}
	return append(params, p)
}

// judge examines an Authorization header for a request.
func (w *World) judge(header, method, uri string, body []byte) (verdict, *user) {
	if header == "" {
		return noLogin, nil
	}
	s := w.speaks.scheme()
	kind, rest, _ := strings.Cut(header, " ")
	if s.basic {
		return w.judgeBasic(kind, rest)
	}
	if !strings.EqualFold(kind, "Digest") {
		return malformed, nil
	}
	p, ok := authParams(rest)
	if !ok || p["uri"] != uri || p["realm"] != s.realm || p["opaque"] != s.opaque {
		return malformed, nil
	}
	hash, alg := md5hex, "MD5"
	if s.sha256 {
		hash, alg = sha256hex, "SHA-256"
	}
	if a := p["algorithm"]; !strings.EqualFold(a, alg) && (a != "" || s.sha256) {
		return malformed, nil
	}
	before, given := w.server.nonces.used[p["nonce"]]
	if !given {
		return malformed, nil
	}
	count, err := strconv.ParseUint(p["nc"], 16, 64)
	if err != nil || count == 0 {
		count = 1 // RFC 2069 has none
	}
	used := before > 0 && (!s.reuse || count <= before)
	w.server.nonces.used[p["nonce"]] = max(before, count)
	u := w.front().user(p["username"])
	password := ""
	if u != nil {
		password = u.password
	}
	ha1 := hash(p["username"] + ":" + s.realm + ":" + password)
	a2 := method + ":" + uri
	if p["qop"] == "auth-int" {
		a2 += ":" + hash(string(body))
	}
	ha2 := hash(a2)
	var want string
	switch {
	case p["qop"] == "auth" || p["qop"] == "auth-int" && s.authInt:
		want = hash(strings.Join([]string{ha1, p["nonce"], p["nc"], p["cnonce"], p["qop"], ha2}, ":"))
	case p["qop"] == "":
		want = hash(ha1 + ":" + p["nonce"] + ":" + ha2)
	default:
		return malformed, nil
	}
	switch {
	case u == nil || u.hidden || u.password == "" || !strings.EqualFold(want, p["response"]):
		return refused, nil
	case used:
		return reused, nil
	}
	return accepted, u
}

func (w *World) judgeBasic(scheme, rest string) (verdict, *user) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if !strings.EqualFold(scheme, "Basic") || err != nil {
		return malformed, nil
	}
	name, password, _ := strings.Cut(string(b), ":")
	u := w.front().user(name)
	if u == nil || u.hidden || u.password == "" || u.password != password {
		return refused, nil
	}
	return accepted, u
}

// authParams reads name=value and name="value" pairs separated by commas.
func authParams(s string) (map[string]string, bool) {
	p := map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return p, true
		}
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return nil, false
		}
		name = strings.ToLower(strings.TrimSpace(name))
		rest = strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			p[name], s = strings.TrimSpace(rest[:end]), rest[end:]
			continue
		}
		var v strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			v.WriteByte(rest[i])
		}
		if i >= len(rest) {
			return nil, false
		}
		p[name], s = v.String(), rest[i+1:]
	}
}

func md5hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sha256hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
