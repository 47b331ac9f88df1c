package sim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The hostile answers, each a fault that shows from the act on and a quirk
// that is always there.
const (
	httpEndless   = "http-endless"
	httpSlow      = "http-slow"
	httpTruncated = "http-truncated"
	httpGzip      = "http-gzip"
	httpWrongType = "http-wrong-type"
	httpHuge      = "http-huge"
	httpNotUTF8   = "http-not-utf8"
	httpElsewhere = "http-elsewhere"
	httpLoginPage = "http-login-page"
	xmlBomb       = "xml-bomb"
	jsonDeep      = "json-deep"
)

// hostileAnswers are what a unit may do to a client instead of answering it.
var hostileAnswers = []struct{ name, about string }{
	{httpHangs, "It accepts connections and never answers."},
	{httpGarbage, "It answers requests with nonsense."},
	{httpEndless, "It answers 200 with a body that never ends."},
	{httpSlow, "It answers 200 in chunks of one byte, two a second, without an end."},
	{httpTruncated, "It answers, and closes the connection in the middle of the body."},
	{httpGzip, "It answers with bytes that are labelled as gzip and are not."},
	{httpWrongType, "It answers with the label image/jpeg."},
	{httpHuge, "It answers 200 with a body of 100 MB."},
	{httpNotUTF8, "It answers with letters of another encoding, that are no UTF-8."},
	{httpElsewhere, "It redirects every request to another host."},
	{httpLoginPage, "It answers every request with 200 and a page that asks for a login."},
	{xmlBomb, "It answers 200 with XML whose entities expand to gigabytes."},
	{jsonDeep, "It answers 200 with JSON that is nested 100,000 deep."},
}

func hostileQuirks() []QuirkInfo {
	var list []QuirkInfo
	for _, h := range hostileAnswers {
		list = append(list, QuirkInfo{Name: h.name, About: h.about + " Also a fault."})
	}
	return list
}

// hostile is the hostile answer that the unit gives now, "" for none.
func (w *World) hostile() string {
	for _, h := range hostileAnswers {
		if w.has(h.name) || w.quirk(h.name) {
			return h.name
		}
	}
	return ""
}

// piece is the size of the pieces in which a great body comes.
const piece = 32 << 10

// instead is what comes without a look at the request.
func (w *World) instead(hostile string, req *http.Request) (reply, bool) {
	head := func(status int, kind, header string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\n%s\r\n", status, http.StatusText(status), kind, header)
	}
	const line = "table.General.MachineName=NVR\r\n"
	switch hostile {
	case httpEndless:
		lines := []byte(strings.Repeat(line, piece/len(line)))
		return reply{raw: head(200, "text/plain", ""), more: func() []byte { return lines }, pause: 2 * time.Millisecond}, true
	case httpSlow:
		n := 0
		return reply{
			raw: head(200, "text/plain", "Transfer-Encoding: chunked\r\n"), pause: 500 * time.Millisecond,
			more: func() []byte { n++; return []byte("1\r\n" + line[n%len(line):n%len(line)+1] + "\r\n") },
		}, true
	case httpHuge:
		const size = 100_000_000
		left, zeros := size, make([]byte, piece)
		return reply{
			raw: head(200, "text/plain", fmt.Sprintf("Content-Length: %d\r\n", size)), pause: 2 * time.Millisecond,
			more: func() []byte {
				n := min(left, len(zeros))
				left -= n
				return zeros[:n:n]
			},
		}, true
	case httpElsewhere: // an address that RFC 5737 keeps for examples
		return reply{raw: answer{status: 302, header: "Location: http://198.51.100.7" + req.URL.RequestURI() + "\r\n"}.bytes(false)}, true
	case httpLoginPage:
		return reply{raw: answer{status: 200, kind: "text/html", body: "<!DOCTYPE html>\r\n<html><head><title>Login</title></head><body>" +
			"<form action=\"/login\" method=\"post\"><input name=\"user\"><input name=\"password\" type=\"password\"></form>OK</body></html>\r\n"}.bytes(false)}, true
	case xmlBomb:
		return reply{raw: answer{status: 200, kind: "application/xml", body: bomb(req.URL.Path)}.bytes(false)}, true
	case jsonDeep:
		const deep = 100_000
		return reply{raw: answer{status: 200, kind: "application/json", body: `{"id":1,"result":true,"params":` +
			strings.Repeat(`{"Init":[`, deep/2) + "1" + strings.Repeat("]}", deep/2) + "}\n"}.bytes(false)}, true
	}
	return reply{}, false
}

// bomb is a document whose text would be 10 to the 9th times "lol".
func bomb(path string) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<!DOCTYPE b [\n<!ENTITY l0 \"lol\">\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "<!ENTITY l%d \"%s\">\n", i, strings.Repeat(fmt.Sprintf("&l%d;", i-1), 10))
	}
	b.WriteString("]>\n")
	if strings.HasPrefix(path, "/onvif/") {
		b.WriteString(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><Manufacturer>&l9;</Manufacturer></s:Body></s:Envelope>`)
	} else {
		b.WriteString("<DeviceInfo><model>&l9;</model></DeviceInfo>")
	}
	return b.String()
}

// spoil is a true answer gone bad.
func spoil(hostile string, a answer) []byte {
	switch hostile {
	case httpTruncated:
		whole := a.bytes(false)
		if a.body == "" {
			a.body = "OK"
			whole = a.bytes(false)
		}
		return whole[:len(whole)-(len(a.body)+1)/2]
	case httpGzip:
		a.header += "Content-Encoding: gzip\r\n"
	case httpWrongType:
		a.kind = "image/jpeg"
	case httpNotUTF8:
		a.body = "\xff\xfe" + strings.NewReplacer("a", "\xe1", "e", "\xe9", "i", "\xed", "o", "\xf3", "u", "\xfa").Replace(a.body)
	}
	return a.bytes(false)
}
