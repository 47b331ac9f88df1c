package sim

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"time"
)

// maxSkew is how far a token's time may lie from the unit's clock.
const maxSkew = 5 * time.Minute

// maxTokens is how many tokens the unit remembers.
const maxTokens = 1024

// caller judges who asks: by WS-UsernameToken, by HTTP, or as anybody where the
// unit has no account at all.
func (w onvif) caller(req *http.Request, body []byte, envelope *element) (*user, *answer) {
	f := w.front()
	if f.initialised && len(f.users) == 0 {
		return &user{group: "admin"}, nil
	}
	token := envelope.kid("Header", "Security", "UsernameToken")
	switch {
	case token != nil && !w.quirk(digestOnly):
		if u := w.tokenUser(token); u != nil {
			return u, nil
		}
	case req.Header.Get("Authorization") != "" && !w.quirk(tokenOnly):
		u, no := w.login(req, body)
		if no == nil {
			return u, nil
		}
		if no.status == 403 {
			return nil, no
		}
	}
	a := w.unauthorized()
	return nil, &a
}

// tokenUser is the user of a good token, or nil. A token that is too old, from
// the future, or came before is refused without a count: no login was tried.
func (w onvif) tokenUser(token *element) *user {
	f := w.front()
	created, err := time.Parse(time.RFC3339Nano, token.at("Created"))
	nonce, err2 := base64.StdEncoding.DecodeString(token.at("Nonce"))
	id := token.at("Nonce") + token.at("Created")
	skew := created.Sub(w.deviceTime()).Abs()
	if w.locked() {
		w.refuse()
		return nil
	}
	if err != nil || err2 != nil || len(nonce) == 0 || skew > maxSkew || w.server.tokens[id] {
		w.server.refusals++
		return nil
	}
	if len(w.server.tokens) >= maxTokens || w.server.tokens == nil {
		w.server.tokens = map[string]bool{}
	}
	w.server.tokens[id] = true
	u := f.user(token.at("Username"))
	password := ""
	if u != nil {
		password = u.password
	}
	sum := sha1.Sum([]byte(string(nonce) + token.at("Created") + password))
	if u == nil || u.hidden || password == "" || !f.initialised || token.at("Password") != base64.StdEncoding.EncodeToString(sum[:]) {
		w.refuse()
		return nil
	}
	w.server.wrong = nil
	return u
}
