package nvr

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"

	"resetrig/rig"
)

const hidden = "***"

// Query parameters, JSON fields and XML elements that carry a secret, also
// enveloped, or a session that somebody could go on with.
var (
	secretQuery = regexp.MustCompile(`(?i)([?&](?:[a-z0-9_.\[\]]*\.)?(?:pwd|pwdold|password|passwd|authcode|session|sessionid|token)=)[^&\s"]*`)
	secretJSON  = regexp.MustCompile(`(?i)("(?:pwd|pwdold|password|passwd|content|salt|authorization|session|sessionid|token)"\s*:\s*")[^"]*`)
	// A session may be a number.
	secretNumber = regexp.MustCompile(`(?i)("session(?:id)?"\s*:\s*)[0-9]+`)
	secretXML    = regexp.MustCompile(`(?i)(<(?:[a-z0-9_.-]+:)?(?:password|pwd|nonce|challenge|key|sessionid|usernametoken)(?:\s[^<>]*)?>)[^<]+`)
	secretHeader = regexp.MustCompile(`(?im)^((?:authorization|proxy-authorization|cookie|set-cookie|authentication-info)\s*:\s*)[^\r\n]*`)
)

// redactURL hides what a request's address may carry.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = nil
		s = u.String()
	}
	return secretQuery.ReplaceAllString(s, "${1}"+hidden)
}

func redactText(s string) string {
	s = secretHeader.ReplaceAllString(s, "${1}"+hidden)
	s = secretJSON.ReplaceAllString(s, "${1}"+hidden)
	s = secretNumber.ReplaceAllString(s, "${1}0")
	s = secretXML.ReplaceAllString(s, "${1}"+hidden)
	return secretQuery.ReplaceAllString(s, "${1}"+hidden)
}

// guard makes a secret vanish from every text of this device. Words that any
// answer may hold (a default admin/admin) are left to the rules above.
func (d *Device) guard(p rig.Secret) {
	s := p.Reveal()
	if len(s) < 6 {
		return
	}
	for _, have := range d.secrets {
		if have == s {
			return
		}
	}
	d.secrets = append(d.secrets, s)
	if len(d.secrets) > 32 { // a soak makes one a cycle
		d.secrets = append(d.secrets[:0:0], d.secrets[len(d.secrets)-32:]...)
	}
}

// scrub hides known secrets, as they are and as a query carries them.
func (d *Device) scrub(s string) string {
	for _, p := range d.secrets {
		s = strings.ReplaceAll(s, p, hidden)
		if q := escape(p); q != p {
			s = strings.ReplaceAll(s, q, hidden)
		}
	}
	return s
}

// scrubbed is err if its text holds no secret; otherwise one with the same
// sentinels and reach, and a clean text.
func (d *Device) scrubbed(err error) error {
	if err == nil {
		return nil
	}
	clean := redactText(d.scrub(err.Error()))
	if clean == err.Error() {
		return err
	}
	var s *silence
	if errors.As(err, &s) {
		return &silence{s.reach, &cleanError{clean, err}}
	}
	return &cleanError{clean, err}
}

// cleanError keeps what an error is and hides what it said.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string        { return e.text }
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }

func requestText(req *http.Request) string {
	var b bytes.Buffer
	b.WriteString(req.Method + " " + req.URL.RequestURI() + " HTTP/1.1\r\nHost: " + req.URL.Host + "\r\n")
	_ = req.Header.Write(&b) // a bytes.Buffer does not fail
	b.WriteString("\r\n")
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			_, _ = io.Copy(&b, io.LimitReader(body, 16<<10))
			_ = body.Close()
		}
	}
	return redactText(b.String())
}

// transcriptBody bounds what a transcript keeps of one answer.
const transcriptBody = 64 << 10

func responseText(resp *http.Response, body []byte) string {
	head, err := httputil.DumpResponse(resp, false)
	if err != nil {
		head = []byte(resp.Status + "\r\n\r\n")
	}
	if len(body) > transcriptBody {
		body = body[:transcriptBody]
	}
	return redactText(string(head) + strings.ToValidUTF8(string(body), "\uFFFD"))
}

// escape is url.QueryEscape with %20 for a space: not every recorder takes a
// plus for one.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
