package nvr

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// SOAP 1.2 as far as ONVIF's device management needs it: requests are texts,
// answers are trees of elements without their prefixes.

const (
	soapOpen = xmlHead + `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">`
	wsse     = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	wsu      = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	wssToken = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
	wssB64   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

// soapRequest is one request's text. header may be empty.
func soapRequest(header, body string) string {
	if header != "" {
		header = "<s:Header>" + header + "</s:Header>"
	}
	return soapOpen + header + "<s:Body>" + body + "</s:Body></s:Envelope>"
}

// usernameToken is the header that carries a login: a digest of nonce, creation
// time and password. created is in the unit's own time: one that is far from it
// is refused like a wrong password.
func usernameToken(random io.Reader, c rig.Credential, created time.Time) (string, error) {
	nonce := make([]byte, 20)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return "", fmt.Errorf("make a nonce: %w", err)
	}
	at := created.UTC().Format("2006-01-02T15:04:05.000Z")
	h := sha1.New()
	h.Write(nonce)
	_, _ = io.WriteString(h, at+c.Password.Reveal()) // a hash does not fail
	b64 := base64.StdEncoding.EncodeToString
	return `<wsse:Security s:mustUnderstand="1" xmlns:wsse="` + wsse + `" xmlns:wsu="` + wsu + `"><wsse:UsernameToken>` +
		`<wsse:Username>` + escaped(c.User) + `</wsse:Username>` +
		`<wsse:Password Type="` + wssToken + `">` + b64(h.Sum(nil)) + `</wsse:Password>` +
		`<wsse:Nonce EncodingType="` + wssB64 + `">` + b64(nonce) + `</wsse:Nonce>` +
		`<wsu:Created>` + at + `</wsu:Created></wsse:UsernameToken></wsse:Security>`, nil
}

// fault is a SOAP fault.
type fault struct {
	codes  []string // code and subcodes, without their prefixes
	reason string
}

func (f *fault) String() string {
	return short(strings.Join(f.codes, "/") + " " + f.reason)
}

func (f *fault) has(codes ...string) bool {
	for _, c := range f.codes {
		for _, want := range codes {
			if strings.EqualFold(c, want) {
				return true
			}
		}
	}
	return false
}

// unauthorised reports a fault that speaks of the login.
func (f *fault) unauthorised() bool {
	return f != nil && f.has("NotAuthorized", "FailedAuthentication", "InvalidSecurity")
}

// parseSOAP reads an answer: the element in its body, or its fault. What is no
// envelope is rig.ErrGarbage.
func parseSOAP(body string) (*element, *fault, error) {
	root, err := document(body)
	if err != nil {
		return nil, nil, err
	}
	in := root.child("Body")
	if root.name != "Envelope" || in == nil || len(in.kids) != 1 {
		return nil, nil, fmt.Errorf("%w: it is no SOAP answer: %s", rig.ErrGarbage, short(body))
	}
	e := in.kids[0]
	if e.name != "Fault" {
		return e, nil, nil
	}
	f := &fault{reason: e.at("Reason", "Text").textOr(e.value("faultstring"))}
	for c := e.child("Code"); c != nil && len(f.codes) < maxDepth; c = c.child("Subcode") {
		f.codes = append(f.codes, localPart(c.value("Value")))
	}
	if c := e.value("faultcode"); c != "" { // SOAP 1.1
		f.codes = append(f.codes, localPart(c))
	}
	return nil, f, nil
}

func (e *element) textOr(other string) string {
	if e == nil || e.text == "" {
		return other
	}
	return e.text
}

func localPart(qname string) string {
	_, local, found := strings.Cut(qname, ":")
	if !found {
		return qname
	}
	return local
}

// soapTime reads GetSystemDateAndTime's answer: the unit's time, UTC where it
// says that.
func soapTime(response *element) (time.Time, error) {
	info := response.child("SystemDateAndTime")
	t := info.child("UTCDateTime")
	if t == nil {
		t = info.child("LocalDateTime")
	}
	var n [6]int
	for i, at := range [][2]string{{"Date", "Year"}, {"Date", "Month"}, {"Date", "Day"}, {"Time", "Hour"}, {"Time", "Minute"}, {"Time", "Second"}} {
		v, err := strconv.Atoi(t.child(at[0]).value(at[1]))
		if err != nil || v < 0 || v > 9999 {
			return time.Time{}, fmt.Errorf("%w: the unit's time has no %s", rig.ErrGarbage, at[1])
		}
		n[i] = v
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC), nil
}
