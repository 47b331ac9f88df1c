package sim

import (
	"fmt"
	"net/http"
)

// wsGroup is where WS-Discovery asks everybody.
const wsGroup = "239.255.255.250"

const wsPort = "3702"

// onvif speaks ONVIF's device management, and nothing else.
type onvif struct{ *World }

func (w onvif) factory() *flash {
	return &flash{initialised: true, users: w.model.accounts(), tables: []*table{
		{"General", []row{{"MachineName", "NVR"}}},
		w.networkTable(),
	}}
}

func (w onvif) route(*http.Request, []byte) answer {
	return answer{status: 404, kind: "text/html", body: "<html><body>404 Not Found</body></html>\n"}
}

func (w onvif) scheme() scheme {
	s := w.commonScheme()
	s.realm = "onvif"
	s.challenge = func(nonce string) ([]authParam, string) {
		return []authParam{{"realm", s.realm, false}, {"qop", "auth", false}, {"nonce", nonce, false}, {"algorithm", "MD5", false}}, ", "
	}
	return s
}

func (w onvif) nonce() string {
	return fmt.Sprintf("%016x%016x", w.netRnd.Uint64(), w.netRnd.Uint64())
}

func (w onvif) unauthorized() answer {
	return answer{status: 401, header: "WWW-Authenticate: " + w.challenge() + "\r\n"}
}

func (w onvif) forbidden() answer { return answer{status: 403} }

func (w onvif) password(p string) bool { return p != "" && len(p) <= 64 }

func (w onvif) discovered(string, []byte, bool) [][]byte { return nil }
