package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// hikvision speaks ISAPI. Resources that are read and written are in isapi.go,
// the activation in activate.go.
type hikvision struct{ *World }

func (w hikvision) factory() *flash {
	f := &flash{tables: []*table{
		{"General", []row{{"MachineName", "Network Video Recorder"}, {"DeviceID", "255"}}},
		w.networkTable(),
		{"Time", []row{{"timeMode", "manual"}, {"timeZone", "CST-8:00:00"}}},
		{"NTP", []row{{"enabled", "false"}, {"addressingFormatType", "hostname"}, {"hostName", "time.windows.com"}, {"portNo", "123"}, {"synchronizeInterval", "60"}}},
		{"UPnP", []row{{"enabled", "false"}, {"mapMode", "auto"}}},
	}}
	if f.initialised = w.model.Generation == OldGeneration; f.initialised {
		f.users = w.model.accounts()
		return f
	}
	f.users = []user{{name: "admin", group: "admin", reserved: true}}
	return f
}

// canonical is a path as it is written, whose letters may be of either case.
func (w hikvision) canonical(path string) string {
	known := []string{
		"/SDK/activateStatus", "/ISAPI/Security/challenge", "/ISAPI/System/activate", "/ISAPI/Security/userCheck",
		"/ISAPI/System/factoryReset", "/ISAPI/System/reboot", "/ISAPI/System/status", "/ISAPI/Security/users",
	}
	for _, r := range w.resources() {
		known = append(known, r.path)
	}
	for _, k := range known {
		if len(path) >= len(k) && strings.EqualFold(path[:len(k)], k) && (len(path) == len(k) || path[len(k)] == '/') {
			path = k + path[len(k):]
		}
	}
	return path
}

func (w hikvision) route(req *http.Request, body []byte) answer {
	path := w.canonical(req.URL.Path)
	req.URL.Path = path
	isNew := w.model.Generation == NewGeneration
	switch ask := req.Method + " " + path; {
	case path == onvifPath && w.quirk(onvifToo):
		return onvif{w.World}.device(req, body)
	case ask == "GET /SDK/activateStatus" && isNew:
		return w.xmlAnswer(200, w.document("ActivateStatus", leaf("Activated", strconv.FormatBool(w.front().initialised))))
	case ask == "POST /ISAPI/Security/challenge" && isNew:
		return w.challengeKey(path, body)
	case ask == "PUT /ISAPI/System/activate" && isNew:
		return w.activateBy(path, body)
	case path == "/":
		return answer{status: 200, kind: "text/html", body: "<!DOCTYPE html>\r\n<html><head><title>index</title></head><body></body></html>\r\n"}
	case !strings.HasPrefix(path, "/ISAPI/"):
		return answer{status: 404, kind: "text/html", body: "<!DOCTYPE html>\r\n<html><head><title>Document Error: Not Found</title></head></html>\r\n"}
	case !w.front().initialised:
		return w.status(path, 4, "notActivated")
	case ask == "GET /ISAPI/Security/userCheck":
		return w.userCheck(req, body)
	}
	u, no := w.login(req, body)
	if no != nil {
		return *no
	}
	switch path {
	case "/ISAPI/System/factoryReset", "/ISAPI/System/reboot":
		return w.command(req, u)
	case "/ISAPI/System/status":
		return w.xmlAnswer(200, w.document("DeviceStatus",
			leaf("currentDeviceTime", w.deviceTime().Format(isapiTime)),
			leaf("deviceUpTime", strconv.Itoa(int((w.now-w.unit.kernelAt).Seconds())))))
	}
	if rest, ok := strings.CutPrefix(path, "/ISAPI/Security/users"); ok && (rest == "" || rest[0] == '/') {
		return w.users(req, body, u, strings.TrimPrefix(rest, "/"))
	}
	return w.resource(req, body, u)
}

// isapiTime is how the unit writes the time.
const isapiTime = "2006-01-02T15:04:05-07:00"

// command is a PUT that restarts the unit: a reset or a reboot. A reset that
// needs a reboot waits for the client's.
func (w hikvision) command(req *http.Request, u *user) answer {
	path := req.URL.Path
	switch {
	case req.Method != http.MethodPut:
		return w.status(path, 4, "methodNotAllowed")
	case u.group != "admin":
		return w.status(path, 4, "lowPrivilege")
	case path == "/ISAPI/System/reboot":
		if k := w.server.awaiting; k != nil {
			w.server.awaiting = nil
			w.commandReset(*k)
		} else {
			w.commandReboot()
		}
		return w.status(path, 1, "ok")
	}
	mode := req.URL.Query().Get("mode")
	if mode != "basic" && mode != "full" {
		return w.status(path, 6, "badParameters")
	}
	if w.faults[resetRefused] {
		return w.status(path, 4, "invalidOperation")
	}
	if w.quirk(resetBusy) && !w.server.busyOnce {
		w.server.busyOnce = true
		return w.status(path, 2, "deviceBusy")
	}
	k := keeping{network: mode == "basic", users: mode == "basic"}
	if w.quirk(resetNeedsReboot) {
		w.beginAct()
		w.server.awaiting = &k
		return w.status(path, 7, "rebootRequired")
	}
	w.commandReset(k)
	return w.status(path, 1, "ok")
}

// userCheck tells of login and lock, in the answer to a wrong login too.
func (w hikvision) userCheck(req *http.Request, body []byte) answer {
	u, no := w.login(req, body)
	a, value, text, isDefault := answer{status: 200}, 200, "OK", false
	if no != nil {
		a, value, text = *no, 401, "Unauthorized"
	} else {
		for _, d := range w.factoryFlash().users {
			isDefault = isDefault || d.password != "" && d.name == u.name && d.password == u.password
		}
	}
	seconds, times := w.remaining()
	lock := "unlock"
	if w.locked() {
		lock = "lock"
	}
	a.kind = w.xmlType()
	a.body = w.document("userCheck",
		leaf("statusValue", strconv.Itoa(value)), leaf("statusString", text),
		leaf("isDefaultPassword", strconv.FormatBool(isDefault)), leaf("isRiskPassword", "false"),
		leaf("isActivated", "true"), leaf("lockStatus", lock),
		leaf("unlockTime", strconv.Itoa(seconds)), leaf("retryLoginTime", strconv.Itoa(times)))
	return a
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
		body: "<!DOCTYPE html>\r\n<html><head><title>Document Error: Unauthorized</title></head>\r\n<body><h2>Access Error: 401 -- Unauthorized</h2>\r\n<p>Authentication Error</p>\r\n</body>\r\n</html>\r\n"}
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

func (w hikvision) discovered(port string, datagram []byte, _ bool) [][]byte {
	if w.quirk(onvifToo) {
		return onvif{w.World}.probed(port, datagram)
	}
	return nil
}
