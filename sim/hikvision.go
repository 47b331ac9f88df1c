package sim

import (
	"fmt"
	"net/http"
	"strings"
)

// hikvision speaks ISAPI. Resources that are read and written are in isapi.go,
// the activation in activate.go.
type hikvision struct{ *World }

func (w hikvision) factory() *flash {
	f := &flash{tables: []*table{
		{"General", []row{{"MachineName", "Embedded Net DVR"}, {"DeviceID", "88"}}},
		w.networkTable(),
	}}
	if f.initialised = w.model.Generation == OldGeneration; f.initialised {
		f.users = w.model.accounts()
		return f
	}
	f.users = []user{{name: "admin", group: "admin", reserved: true}}
	return f
}

func (w hikvision) route(req *http.Request, body []byte) answer {
	return answer{status: 404, kind: "text/html", body: "<html><head><title>Document Error: Not Found</title></head></html>\r\n"}
}

func (w hikvision) scheme() scheme {
	s := w.commonScheme()
	s.realm = hexOf(w.serial()+"/realm", 24)
	if w.quirk(realmIPCamera) {
		s.realm = "IP Camera(83813)"
	}
	s.challenge = func(nonce string) ([]authParam, string) {
		if w.quirk(realmIPCamera) {
			return []authParam{{"qop", "auth", false}, {"realm", s.realm, false}, {"nonce", nonce, false}, {"stale", "FALSE", false}}, ", "
		}
		return []authParam{{"realm", s.realm, false}, {"domain", "::", false}, {"qop", "auth", false}, {"nonce", nonce, false},
			{"opaque", "", false}, {"algorithm", "MD5", false}, {"stale", "FALSE", false}}, ", "
	}
	return s
}

// nonce is hex, in the newer form with the time after a colon.
func (w hikvision) nonce() string {
	n := fmt.Sprintf("%016x%016x", w.netRnd.Uint64(), w.netRnd.Uint64())
	if w.quirk(realmIPCamera) {
		return n
	}
	return fmt.Sprintf("%s:%d", n, w.wall(w.now).Unix())
}

func (w hikvision) unauthorized() answer {
	return answer{status: 401, kind: "text/html", header: "WWW-Authenticate: " + w.challenge() + "\r\n",
		body: "<!DOCTYPE html>\r\n<html><head><title>Document Error: Unauthorized</title></head>\r\n<body><h2>Access Error: 401 -- Unauthorized</h2></body></html>\r\n"}
}

func (w hikvision) forbidden() answer {
	return answer{status: 403, kind: "text/html", body: "<!DOCTYPE html>\r\n<html><head><title>Document Error: Forbidden</title></head></html>\r\n"}
}

func (w hikvision) password(p string) bool {
	if w.model.Generation == OldGeneration {
		return p != "" && len(p) <= 16
	}
	return twoClasses(p, 8, 16, "")
}

func (w hikvision) discovered(string, []byte, bool) [][]byte { return nil }

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// htmlText is a text as it stands in HTML or XML.
func htmlText(s string) string { return htmlEscapes.Replace(s) }
