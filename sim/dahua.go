package sim

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// dahua speaks for units with Dahua's firmware, IMOU's among them: CGI in
// cgi.go, RPC2 in rpc.go, the calls without a login in outside.go, discovery
// in dhip.go.
type dahua struct{ *World }

func (w dahua) factory() *flash {
	f := &flash{tables: []*table{
		{"General", []row{
			{"LocalNo", "8"}, {"LockLoginEnable", "true"},
			{"LockLoginTimes", strconv.Itoa(w.model.LockTries)},
			{"LoginFailLockTime", strconv.Itoa(int(w.model.LockWindow.Seconds()))},
			{"MachineName", "NVR"}, {"MaxOnlineTime", "3600"},
		}},
		{"Network", []row{
			{"DefaultInterface", "eth0"}, {"Domain", "dahua"}, {"Hostname", "NVR"},
			{"eth0.DefaultGateway", "192.168.1.1"}, {"eth0.DhcpEnable", "false"},
			{"eth0.IPAddress", w.model.DefaultAddress}, {"eth0.MTU", "1500"},
			{"eth0.PhysicalAddress", w.opts.MAC}, {"eth0.SubnetMask", "255.255.255.0"},
		}},
		{"NTP", []row{
			{"Address", "time.windows.com"}, {"Enable", "false"}, {"Port", "123"},
			{"TimeZone", "13"}, {"TimeZoneDesc", "Beijing"}, {"UpdatePeriod", "60"},
		}},
		{"Locales", []row{
			{"DSTEnable", "false"}, {"TimeFormat", "yyyy-MM-dd HH:mm:ss"}, {"WeekEnable", "false"},
		}},
		{"UPnP", []row{{"Enable", "false"}, {"Mode", "Host"}, {"StartDeviceDiscover", "true"}}},
		{"Email", []row{
			{"Address", "MailServer"}, {"Anonymous", "false"}, {"Enable", "false"}, {"Port", "25"},
			{"SslEnable", "false"}, {"Title", "NVR ALERT"},
		}},
		{"AlarmServer", []row{{"Address", "0.0.0.0"}, {"Enable", "false"}, {"Port", "1"}}},
		{"VideoStandard", []row{{"Standard", "PAL"}}},
	}}
	if w.model.Generation == OldGeneration {
		f.initialised = true
		if f.users = w.model.accounts(); len(f.users) > 0 {
			return f
		}
		f.users = []user{
			{"666666", "666666", "user", "666666 's account", false, false},
			{"888888", "888888", "admin", "888888 's account", true, false},
			{"admin", "admin", "admin", "admin 's account", true, false},
			{"default", "default", "user", "default account", true, true},
		}
		return f
	}
	f.users = []user{{"admin", "", "admin", "admin 's account", true, false}}
	return f
}

func (w dahua) route(req *http.Request, body []byte) answer {
	path := req.URL.Path
	switch {
	case strings.HasPrefix(path, "/cgi-bin/"):
		a := w.cgi(req, body, strings.TrimSuffix(strings.TrimPrefix(path, "/cgi-bin/"), ".cgi"))
		if w.quirk(lfOnly) {
			a.body = strings.ReplaceAll(a.body, "\r\n", "\n")
		}
		return a
	case path == "/RPC2_Login" || path == "/RPC2" || path == "/OutsideCmd" && w.model.Generation == NewGeneration:
		if req.Method != http.MethodPost {
			return answer{status: 405, body: "Error\r\nMethod Not Allowed!\r\n"}
		}
		return w.rpc(path, body)
	case path == onvifPath && w.quirk(onvifToo):
		return onvif{w.World}.device(req, body)
	case path == "/":
		return answer{status: 200, kind: "text/html", body: "<!DOCTYPE html>\r\n<html><head><title>WEB SERVICE</title></head><body></body></html>\r\n"}
	}
	return answer{status: 404, body: "Error\r\nNot Found!\r\n"}
}

func (w dahua) unauthorized() answer {
	body := bodyNoLogin
	if w.quirk(oldErrors) {
		body = "Error ErrorID = 0, Detail = Invalid Authority!"
	}
	return answer{status: 401, header: "WWW-Authenticate: " + w.challenge() + "\r\n", body: body}
}

func (w dahua) forbidden() answer { return forbidden() }

// nonce is a number in the old generation, long and like base64 in the new.
func (w dahua) nonce() string {
	if w.model.Generation == OldGeneration {
		return strconv.FormatUint(w.netRnd.Uint64N(1e9)+1e8, 10)
	}
	raw := make([]byte, 48)
	for i := range raw {
		raw[i] = byte(w.netRnd.Uint32())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func (w dahua) scheme() scheme {
	s := w.commonScheme()
	s.realm = w.realm()
	if s.basic {
		s.realm = "Device_CGI"
	}
	if w.model.Generation == OldGeneration {
		s.opaque = hexOf(w.serial()+"/opaque", 40)
	}
	s.challenge = func(nonce string) ([]authParam, string) {
		p := []authParam{{"realm", s.realm, false}, {"qop", "auth", false}, {"nonce", nonce, false}, {"opaque", s.opaque, false}}
		if w.model.Generation == OldGeneration {
			return p, ","
		}
		return append(p, authParam{"stale", "false", false}), ", "
	}
	return s
}

func (w dahua) realm() string {
	if w.model.Generation == OldGeneration {
		return "DH_" + strings.ToUpper(strings.NewReplacer(":", "", "-", "").Replace(w.mac()))
	}
	return "Login to " + hexOf(w.serial()+"/realm", 32)
}

// password: for the new generation 8 to 32 characters of two classes or more,
// without ' " ; : &.
func (w dahua) password(p string) bool {
	if w.model.Generation == OldGeneration {
		return p != "" && len(p) <= 32
	}
	return twoClasses(p, 8, 32, "'\";:&")
}
