package sim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// arg is one parameter of a CGI request, in the order in which it came.
type arg struct{ key, value string }

func cgiArgs(raw string) ([]arg, bool) {
	var args []arg
	for part := range strings.SplitSeq(raw, "&") {
		k, v, _ := strings.Cut(part, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil {
			return nil, false
		}
		args = append(args, arg{key, value})
	}
	return args, true
}

func argOf(args []arg, key string) string {
	for _, a := range args {
		if a.key == key {
			return a.value
		}
	}
	return ""
}

// namesOf are the values of name, names[0], names[1], …
func namesOf(args []arg) []string {
	var names []string
	for _, a := range args {
		if a.key == "name" || strings.HasPrefix(a.key, "names[") {
			names = append(names, a.value)
		}
	}
	return names
}

// cgi answers GET /cgi-bin/<name>.cgi?action=<verb>&…
func (w dahua) cgi(req *http.Request, body []byte, name string) answer {
	if w.exhausted() {
		return w.unauthorized()
	}
	u, no := w.login(req, body)
	if no != nil {
		return *no
	}
	if w.quirk(cgiRefuses) {
		return w.unauthorized()
	}
	if req.Method != http.MethodGet {
		return w.badRequest()
	}
	args, ok := cgiArgs(req.URL.RawQuery)
	if !ok || len(args) == 0 || args[0].key != "action" {
		return w.badRequest()
	}
	verb, args := args[0].value, args[1:]
	switch name {
	case "magicBox":
		return w.magicBox(u, verb, args)
	case "global":
		return w.global(u, verb, args)
	case "configManager":
		return w.configManager(u, verb, args)
	case "userManager":
		return w.userManager(u, verb, args)
	}
	return w.badRequest()
}

// vendor is how the unit names its maker.
func (w *World) vendor() string {
	if w.model.Vendor == "" {
		return "IMOU"
	}
	return w.model.Vendor
}

// Connections that a unit has, and how long each one counts.
const (
	maxConnections  = 20
	connectionLasts = 10 * time.Second
)

// exhausted counts a request, and reports whether its connection is one too
// many.
func (w dahua) exhausted() bool {
	if !w.quirk(connectionsLimited) {
		return false
	}
	s := &w.server
	s.recent = slices.DeleteFunc(s.recent, func(t time.Duration) bool { return t <= w.now-connectionLasts })
	if len(s.recent) >= maxConnections {
		return true
	}
	s.recent = append(s.recent, w.now)
	return false
}

// written is the answer to a write that landed.
func (w dahua) written() answer {
	if w.quirk(emptyWrite) {
		return answer{status: 200}
	}
	return okBody()
}

func (w dahua) badRequest() answer {
	if w.quirk(oldErrors) {
		return answer{status: 400, body: "Error ErrorID = 0, Detail = Bad Request!"}
	}
	return badRequest()
}

func text(format string, a ...any) answer {
	return answer{status: 200, body: fmt.Sprintf(format, a...)}
}

func (w dahua) magicBox(u *user, verb string, args []arg) answer {
	switch verb {
	case "getDeviceType":
		return text("type=%s\r\n", w.model.DeviceType)
	case "getSerialNo":
		return text("sn=%s\r\n", w.serial())
	case "getMachineName":
		return text("name=%s\r\n", w.front().value("General", "MachineName"))
	case "getSoftwareVersion":
		if !w.quirk(versionSpace) {
			return text("version=%s\r\n", w.firmware())
		}
		return text("version=%s\r\n", strings.Replace(w.firmware(), ",", " ", 1))
	case "getHardwareVersion":
		return text("version=%s\r\n", w.model.Hardware)
	case "getDeviceClass":
		return text("class=NVR\r\n")
	case "getVendor":
		return text("vendor=%s\r\n", w.vendor())
	case "getSystemInfo":
		return text("deviceType=%s\r\nhardwareVersion=%s\r\nprocessor=ST7108\r\nserialNumber=%s\r\nupdateSerial=%s\r\n",
			w.model.DeviceType, w.model.Hardware, w.serial(), w.model.DeviceType)
	case "reboot", "shutdown", "resetSystemEx":
		if u.group != "admin" {
			return w.forbidden()
		}
		switch verb {
		case "reboot":
			w.commandReboot()
		case "shutdown":
			w.after(time.Second, func() { w.newLife(); w.enter(halted); w.room.hum(w.now, humOff) })
		default:
			if w.faults[resetRefused] {
				return refusedWriteBody()
			}
			want := "0"
			if w.quirk(resetTypeOne) {
				want = "1"
			}
			if t := argOf(args, "type"); w.quirk(resetEnvelopeOnly) || t != want && (t != "" || want != "0") {
				return w.badRequest()
			}
			if w.commandReset(keeping{}); w.quirk(resetDrops) {
				return answer{drop: true}
			}
		}
		return okBody()
	}
	return w.badRequest()
}

func (w *World) commandReboot() {
	w.after(w.between(500*time.Millisecond, 1500*time.Millisecond), w.restart)
}

// clockLayout is how the unit writes the time.
const clockLayout = "2006-01-02 15:04:05"

func (w dahua) global(u *user, verb string, args []arg) answer {
	switch verb {
	case "getCurrentTime":
		return text("result=%s\r\n", w.deviceTime().Format(clockLayout))
	case "setCurrentTime":
		t, err := time.ParseInLocation(clockLayout, argOf(args, "time"), w.start.Location())
		if err != nil {
			return w.badRequest()
		}
		w.setClock(t)
		return w.written()
	}
	return w.badRequest()
}

func (w dahua) configManager(u *user, verb string, args []arg) answer {
	f := w.front()
	switch verb {
	case "getConfig":
		t := f.table(argOf(args, "name"))
		if t == nil {
			return w.badRequest()
		}
		var b strings.Builder
		for _, r := range t.rows {
			fmt.Fprintf(&b, "table.%s.%s=%s\r\n", t.name, r.key, r.value)
		}
		return answer{status: 200, body: b.String()}
	case "setConfig":
		if u.group != "admin" {
			return w.forbidden()
		}
		if len(args) == 0 {
			return w.badRequest()
		}
		for _, a := range args {
			name, key, _ := strings.Cut(a.key, ".")
			t := f.table(name)
			if t == nil {
				return w.badRequest()
			}
			if _, ok := t.get(key); !ok {
				return w.badRequest()
			}
		}
		if w.faults[refusedWrite] {
			return refusedWriteBody()
		}
		for _, a := range args {
			name, key, _ := strings.Cut(a.key, ".")
			f.table(name).set(key, a.value)
		}
		return w.written()
	case "restore", "restoreExcept":
		if u.group != "admin" {
			return w.forbidden()
		}
		names := namesOf(args)
		if w.faults[resetRefused] {
			return refusedWriteBody()
		}
		if len(names) == 0 || verb == "restore" && w.quirk(restoreFails) {
			return w.badRequest()
		}
		if w.faults[refusedWrite] {
			return refusedWriteBody()
		}
		if verb == "restoreExcept" {
			names = f.except(names)
		}
		if !w.restoreTables(names) || verb == "restoreExcept" && w.quirk(restoreError) {
			return w.badRequest()
		}
		return w.written()
	}
	return w.badRequest()
}

// except are the names of all other tables; the network is always kept.
func (f *flash) except(names []string) []string {
	var rest []string
	for _, t := range f.tables {
		if t.name != "Network" && !slices.Contains(names, t.name) {
			rest = append(rest, t.name)
		}
	}
	return rest
}

// restoreTables is the reset of individual functions. A unit that ignores
// resets accepts it and does nothing.
func (w *World) restoreTables(names []string) bool {
	f, fresh := w.front(), w.factoryFlash()
	for _, n := range names {
		if f.table(n) == nil {
			return false
		}
	}
	w.beginAct()
	if w.act == acting {
		w.beginReset()
	}
	if w.has(resetIgnored) {
		return true
	}
	fresh.setAddress(f.value("Network", "eth0.IPAddress"))
	fresh.setMAC(f.value("Network", "eth0.PhysicalAddress"))
	return f.restore(fresh, names)
}

func (w dahua) userManager(u *user, verb string, args []arg) answer {
	switch verb {
	case "getUserInfoAll":
		var b strings.Builder
		i := 0
		for _, x := range w.front().users {
			if x.hidden {
				continue
			}
			fmt.Fprintf(&b, "users[%d].Group=%s\r\nusers[%d].Id=%d\r\nusers[%d].Memo=%s\r\nusers[%d].Name=%s\r\nusers[%d].Reserved=%t\r\nusers[%d].Sharable=true\r\n",
				i, x.group, i, i+1, i, x.memo, i, x.name, i, x.reserved, i)
			i++
		}
		return answer{status: 200, body: b.String()}
	case "modifyPassword":
		return w.changed(w.changePassword(u, argOf(args, "name"), argOf(args, "pwd"), argOf(args, "pwdOld")))
	case "addUser":
		reserved, _ := strconv.ParseBool(argOf(args, "user.Reserved"))
		return w.changed(w.addUser(u, user{
			name: argOf(args, "user.Name"), password: argOf(args, "user.Password"),
			group: argOf(args, "user.Group"), memo: argOf(args, "user.Memo"), reserved: reserved,
		}))
	case "deleteUser":
		return w.changed(w.deleteUser(u, argOf(args, "name")))
	case "getUserInfo":
		x := w.front().user(argOf(args, "name"))
		if x == nil || x.hidden {
			return w.badRequest()
		}
		return text("user.Group=%s\r\nuser.Memo=%s\r\nuser.Name=%s\r\nuser.Reserved=%t\r\nuser.Sharable=true\r\n", x.group, x.memo, x.name, x.reserved)
	}
	return w.badRequest()
}

// changed is CGI's answer to a change of the accounts.
func (w dahua) changed(c change) answer {
	switch c {
	case changeOK:
		return w.written()
	case changeForbidden:
		return w.forbidden()
	case changeUnknown:
		return w.badRequest()
	}
	return refusedWriteBody()
}

// addUser adds an account.
func (w dahua) addUser(by *user, x user) change {
	f := w.front()
	switch {
	case by.group != "admin":
		return changeForbidden
	case x.name == "" || x.group != "admin" && x.group != "user":
		return changeUnknown
	case w.faults[refusedWrite] || f.user(x.name) != nil || !w.password(x.password):
		return changeRefused
	}
	f.users = append(f.users, x)
	return changeOK
}

func (w dahua) deleteUser(by *user, name string) change {
	f := w.front()
	x := f.user(name)
	switch {
	case by.group != "admin":
		return changeForbidden
	case x == nil || x.hidden:
		return changeUnknown
	case x.reserved || w.faults[refusedWrite]:
		return changeRefused
	}
	f.users = slices.DeleteFunc(f.users, func(y user) bool { return y.name == name })
	return changeOK
}

// change is how a change of the accounts ended.
type change int

const (
	changeOK change = iota
	changeForbidden
	changeUnknown // no such user
	changeRefused
)

func (w *World) changePassword(by *user, name, password, old string) change {
	x := w.front().user(name)
	switch {
	case x == nil || x.hidden:
		return changeUnknown
	case by.group != "admin" && by.name != name:
		return changeForbidden
	case w.faults[refusedWrite] || x.password != old || !w.speaks.password(password):
		return changeRefused
	}
	x.password = password
	return changeOK
}
