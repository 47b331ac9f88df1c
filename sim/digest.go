package sim

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Digest access authentication as RFC 7616 and RFC 2617 have it, MD5, qop auth
// or none (RFC 2069).

// verdict is what the server thinks of a request's login.
type verdict int

const (
	noLogin   verdict = iota // no credentials came
	refused                  // wrong ones
	malformed                // not readable, or for another challenge
	reused                   // right ones for a nonce that was used before
	accepted
)

// maxNonces is how many nonces the server remembers of each kind.
const maxNonces = 256

// nonces are those given out, each good for one request.
type nonces struct {
	order []string
	used  map[string]bool // of those given out: used
}

func (n *nonces) add(s string) {
	if n.used == nil {
		n.used = map[string]bool{}
	}
	if len(n.order) == maxNonces {
		delete(n.used, n.order[0])
		n.order = append(n.order[:0], n.order[1:]...)
	}
	n.order = append(n.order, s)
	n.used[s] = false
}

// challenge is a fresh WWW-Authenticate header.
func (w *World) challenge() string {
	if w.model.Basic {
		return `Basic realm="Device_CGI"`
	}
	if w.model.Generation == OldGeneration {
		n := strconv.FormatUint(w.netRnd.Uint64N(1e9)+1e8, 10)
		w.server.nonces.add(n)
		return fmt.Sprintf(`Digest realm="%s",qop="auth",nonce="%s",opaque="%s"`, w.realm(), n, w.opaque())
	}
	raw := make([]byte, 48)
	for i := range raw {
		raw[i] = byte(w.netRnd.Uint32())
	}
	n := base64.StdEncoding.EncodeToString(raw)
	w.server.nonces.add(n)
	return fmt.Sprintf(`Digest realm="%s", qop="auth", nonce="%s", opaque="", stale="false"`, w.realm(), n)
}

func (w *World) realm() string {
	if w.model.Generation == OldGeneration {
		return "DH_" + strings.ToUpper(strings.NewReplacer(":", "", "-", "").Replace(w.mac()))
	}
	return "Login to " + hexOf(w.serial()+"/realm", 32)
}

func (w *World) opaque() string {
	if w.model.Generation == OldGeneration {
		return hexOf(w.serial()+"/opaque", 40)
	}
	return ""
}

// judge examines an Authorization header for a request.
func (w *World) judge(header, method, uri string) (verdict, *user) {
	if header == "" {
		return noLogin, nil
	}
	scheme, rest, _ := strings.Cut(header, " ")
	if w.model.Basic {
		return w.judgeBasic(scheme, rest)
	}
	if !strings.EqualFold(scheme, "Digest") {
		return malformed, nil
	}
	p, ok := authParams(rest)
	if !ok || p["uri"] != uri || p["realm"] != w.realm() || p["opaque"] != w.opaque() {
		return malformed, nil
	}
	if alg := p["algorithm"]; alg != "" && !strings.EqualFold(alg, "MD5") {
		return malformed, nil
	}
	used, given := w.server.nonces.used[p["nonce"]]
	if !given {
		return malformed, nil
	}
	w.server.nonces.used[p["nonce"]] = true
	u := w.front().user(p["username"])
	password := ""
	if u != nil {
		password = u.password
	}
	ha1 := md5hex(p["username"] + ":" + w.realm() + ":" + password)
	ha2 := md5hex(method + ":" + uri)
	var want string
	switch p["qop"] {
	case "auth":
		want = md5hex(strings.Join([]string{ha1, p["nonce"], p["nc"], p["cnonce"], "auth", ha2}, ":"))
	case "":
		want = md5hex(ha1 + ":" + p["nonce"] + ":" + ha2)
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
