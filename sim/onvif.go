package sim

import (
	"fmt"
	"net/http"
)

// onvif speaks ONVIF's device management over SOAP 1.2, and nothing else. The
// operations are in onvif_device.go, the login in onvif_login.go, discovery in
// wsd.go. Units of other brands may serve it beside their own, see the quirk.
type onvif struct{ *World }

// Namespaces of ONVIF and of what it stands on.
const (
	nsSOAP = "http://www.w3.org/2003/05/soap-envelope"
	nsTDS  = "http://www.onvif.org/ver10/device/wsdl"
	nsTT   = "http://www.onvif.org/ver10/schema"
	nsTER  = "http://www.onvif.org/ver10/error"
)

// onvifPath is where the device service is.
const onvifPath = "/onvif/device_service"

func (w onvif) factory() *flash {
	return &flash{initialised: true, users: w.model.accounts(), tables: []*table{
		{"General", []row{{"MachineName", "NVR"}}},
		w.networkTable(),
		{"NTP", []row{{"FromDHCP", "false"}, {"Address", ""}}},
		{"Scopes", []row{{"Configurable", ""}}},
		{"Time", []row{{"Type", "Manual"}, {"TZ", "UTC0"}}},
	}}
}

func (w onvif) route(req *http.Request, body []byte) answer {
	if req.URL.Path == onvifPath {
		return w.device(req, body)
	}
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

// unauthorized is SOAP's fault, with a challenge of HTTP or, by the quirk,
// without one.
func (w onvif) unauthorized() answer {
	a := soapFault(401, "Sender", "ter:NotAuthorized", "", "The action requested requires authorization and the sender is not authorized")
	switch {
	case w.quirk(notAuthorized400):
		a.status = 400
	case !w.quirk(tokenOnly):
		a.header = "WWW-Authenticate: " + w.challenge() + "\r\n"
	}
	return a
}

func (w onvif) forbidden() answer {
	return soapFault(403, "Sender", "ter:NotAuthorized", "", "Forbidden")
}

func (w onvif) password(p string) bool { return p != "" && len(p) <= 64 }

func (w onvif) discovered(port string, datagram []byte, _ bool) [][]byte {
	return w.probed(port, datagram)
}

// soap is an answer's document.
func soap(status int, body string) answer {
	return answer{status: status, kind: "application/soap+xml; charset=utf-8", body: `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<env:Envelope xmlns:env="` + nsSOAP + `" xmlns:tds="` + nsTDS + `" xmlns:tt="` + nsTT + `" xmlns:ter="` + nsTER + `">` +
		"<env:Body>" + body + "</env:Body></env:Envelope>\n"}
}

// soapFault is a fault: its code, and one or two of ONVIF's below it.
func soapFault(status int, code, sub, below, reason string) answer {
	inner := ""
	if below != "" {
		inner = tag("env:Subcode", tag("env:Value", below))
	}
	return soap(status, tag("env:Fault",
		tag("env:Code", tag("env:Value", "env:"+code), tag("env:Subcode", tag("env:Value", sub), inner)),
		tag("env:Reason", leaf(`env:Text xml:lang="en"`, reason))))
}
