package sim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The namespaces of ISAPI's documents, older and newer.
const (
	isapiOld = "http://www.hikvision.com/ver20/XMLSchema"
	isapiNew = "http://www.isapi.org/ver20/XMLSchema"
)

func (w hikvision) xmlAnswer(status int, document string) answer {
	return answer{status: status, kind: w.xmlType(), body: document}
}

// xmlType is the content type of its documents; older units name no charset.
func (w hikvision) xmlType() string {
	if w.model.Generation == OldGeneration {
		return "application/xml"
	}
	return `application/xml; charset="UTF-8"`
}

// document is a whole answer with its root element.
func (w hikvision) document(root string, inner ...string) string {
	space := isapiOld
	if w.quirk(isapiNamespace) {
		space = isapiNew
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" +
		tag(root+` version="2.0" xmlns="`+space+`"`, "\r\n", strings.Join(inner, "\r\n"), "\r\n") + "\r\n"
}

// status is a ResponseStatus. Of the codes the facts give the meaning; which
// status of HTTP goes with each is the vendor's developer guide's.
func (w hikvision) status(path string, code int, sub string) answer {
	text, status := "", 400
	switch code {
	case 1:
		text, status = "OK", 200
	case 2:
		text, status = "Device Busy", 503
	case 3:
		text, status = "Device Error", 500
	case 4:
		text, status = "Invalid Operation", 403
	case 5:
		text = "Invalid XML Format"
	case 6:
		text = "Invalid XML Content"
	case 7:
		text, status = "Reboot Required", 200
	}
	return w.xmlAnswer(status, w.document("ResponseStatus",
		leaf("requestURL", path), leaf("statusCode", strconv.Itoa(code)),
		leaf("statusString", text), leaf("subStatusCode", sub)))
}

// users answers for the accounts: id is "" or an account's number.
func (w hikvision) users(req *http.Request, body []byte, by *user, id string) answer {
	path, f := req.URL.Path, w.front()
	i := -1
	if id != "" {
		n, err := strconv.Atoi(id)
		if err != nil || n < 1 || n > len(f.users) {
			return w.status(path, 4, "invalidID")
		}
		i = n - 1
	}
	show := func(i int) []string {
		level := "Viewer"
		if f.users[i].group == "admin" {
			level = "Administrator"
		}
		return []string{leaf("id", strconv.Itoa(i+1)), leaf("userName", f.users[i].name), leaf("userLevel", level)}
	}
	if req.Method == http.MethodGet {
		if i >= 0 {
			return w.xmlAnswer(200, w.document("User", show(i)...))
		}
		var list []string
		for i := range f.users {
			list = append(list, tag("User", show(i)...))
		}
		return w.xmlAnswer(200, w.document("UserList", list...))
	}
	if by.group != "admin" && (i < 0 || f.users[i].name != by.name) {
		return w.status(path, 4, "lowPrivilege")
	}
	if req.Method == http.MethodDelete {
		switch {
		case i < 0 || f.users[i].reserved:
			return w.status(path, 4, "invalidOperation")
		case w.faults[refusedWrite]:
			return w.status(path, 3, "deviceError")
		}
		f.users = append(f.users[:i:i], f.users[i+1:]...)
		return w.status(path, 1, "ok")
	}
	doc, err := readXML(body)
	if err != nil {
		return w.status(path, 5, "badXmlFormat")
	}
	name, password := doc.at("userName"), doc.at("password")
	switch {
	case doc.name.Local != "User" || name == "" || password != "" && !w.password(password):
		return w.status(path, 6, "badXmlContent")
	case w.faults[refusedWrite]:
		return w.status(path, 3, "deviceError")
	case req.Method == http.MethodPost && i < 0:
		if password == "" || f.user(name) != nil {
			return w.status(path, 6, "badXmlContent")
		}
		f.users = append(f.users, user{name: name, password: password, group: "user"})
	case req.Method == http.MethodPut && i >= 0:
		if f.users[i].name != name && (f.users[i].reserved || f.user(name) != nil) {
			return w.status(path, 6, "badXmlContent")
		}
		f.users[i].name = name
		if password != "" {
			f.users[i].password = password
		}
	default:
		return w.status(path, 4, "methodNotAllowed")
	}
	return w.status(path, 1, "ok")
}

// field is an element of a resource: a row of a table, or a fixed value.
type field struct {
	path string // below the root, with slashes
	row  string // Table.Key; "" where the value is fixed
	text string // the fixed value
}

// resource is a document that is read and written.
type resource struct {
	path, root string
	list       string // the root of a list of one, that path names; path/1 is the element
	fields     []field
}

func (w hikvision) resources() []resource {
	version, built, _ := strings.Cut(w.firmware(), ",")
	return []resource{
		{"/ISAPI/System/deviceInfo", "DeviceInfo", "", []field{
			{"deviceName", "General.MachineName", ""}, {"deviceID", "General.DeviceID", ""},
			{"model", "", w.model.DeviceType}, {"serialNumber", "", w.serial()}, {"macAddress", "", w.mac()},
			{"firmwareVersion", "", version}, {"firmwareReleasedDate", "", built},
			{"hardwareVersion", "", w.model.Hardware}, {"deviceType", "", "NVR"}, {"manufacturer", "", w.vendor()},
		}},
		{"/ISAPI/System/time", "Time", "", []field{
			{"timeMode", "Time.timeMode", ""}, {"localTime", "", w.deviceTime().Format(isapiTime)}, {"timeZone", "Time.timeZone", ""},
		}},
		{"/ISAPI/System/time/ntpServers", "NTPServer", "NTPServerList", []field{
			{"id", "", "1"}, {"enabled", "NTP.enabled", ""}, {"addressingFormatType", "NTP.addressingFormatType", ""},
			{"hostName", "NTP.hostName", ""}, {"portNo", "NTP.portNo", ""}, {"synchronizeInterval", "NTP.synchronizeInterval", ""},
		}},
		{"/ISAPI/System/Network/interfaces", "NetworkInterface", "NetworkInterfaceList", []field{
			{"id", "", "1"}, {"IPAddress/ipVersion", "", "v4"}, {"IPAddress/addressingType", "", w.addressing()},
			{"IPAddress/ipAddress", "Network.eth0.IPAddress", ""}, {"IPAddress/subnetMask", "Network.eth0.SubnetMask", ""},
			{"IPAddress/DefaultGateway/ipAddress", "Network.eth0.DefaultGateway", ""},
			{"IPAddress/PrimaryDNS/ipAddress", "Network.eth0.DNS", ""},
			{"Link/MACAddress", "", w.mac()}, {"Link/MTU", "Network.eth0.MTU", ""},
		}},
		{"/ISAPI/System/Network/UPnP", "UPnP", "", []field{{"enabled", "UPnP.enabled", ""}, {"mapMode", "UPnP.mapMode", ""}}},
	}
}

func (w hikvision) addressing() string {
	if w.front().value("Network", "eth0.DhcpEnable") == "true" {
		return "dynamic"
	}
	return "static"
}

// resource answers a GET or a PUT of a document.
func (w hikvision) resource(req *http.Request, body []byte, u *user) answer {
	path := req.URL.Path
	for _, r := range w.resources() {
		whole := path == r.path
		if !whole && (r.list == "" || path != r.path+"/1") {
			continue
		}
		listed := whole && r.list != ""
		switch {
		case req.Method == http.MethodGet && listed:
			return w.xmlAnswer(200, w.document(r.list, tag(r.root, w.show(r.fields)...)))
		case req.Method == http.MethodGet:
			return w.xmlAnswer(200, w.document(r.root, w.show(r.fields)...))
		case req.Method != http.MethodPut:
			return w.status(path, 4, "methodNotAllowed")
		case u.group != "admin":
			return w.status(path, 4, "lowPrivilege")
		}
		doc, err := readXML(body)
		if err != nil {
			return w.status(path, 5, "badXmlFormat")
		}
		if listed && doc.name.Local == r.list {
			doc = doc.kid(r.root)
		}
		if doc == nil || doc.name.Local != r.root {
			return w.status(path, 6, "badXmlContent")
		}
		return w.put(path, r.fields, doc)
	}
	return w.status(path, 4, "notSupport")
}

// show writes fields; those with a common way to them stand in one element.
func (w hikvision) show(fields []field) []string {
	var out []string
	for i := 0; i < len(fields); i++ {
		first, _, nested := strings.Cut(fields[i].path, "/")
		if !nested {
			text := fields[i].text
			if t, key := w.front().row(fields[i].row); t != nil {
				text, _ = t.get(key)
			}
			out = append(out, leaf(first, text))
			continue
		}
		var inner []field
		for ; i < len(fields); i++ {
			head, rest, ok := strings.Cut(fields[i].path, "/")
			if !ok || head != first {
				break
			}
			inner = append(inner, field{rest, fields[i].row, fields[i].text})
		}
		i--
		out = append(out, tag(first, w.show(inner)...))
	}
	return out
}

// put writes what a document has of the fields; what is fixed is passed over,
// as such units do. The time may be set where nothing else gives it.
func (w hikvision) put(path string, fields []field, doc *element) answer {
	write := map[string]string{}
	for _, f := range fields {
		if e := doc.kid(strings.Split(f.path, "/")...); e != nil && f.row != "" {
			write[f.row] = e.text
		}
	}
	local := doc.at("localTime")
	if len(write) == 0 && local == "" {
		return w.status(path, 6, "badXmlContent")
	}
	if w.faults[refusedWrite] {
		return w.status(path, 3, "deviceError")
	}
	if local != "" && doc.name.Local == "Time" {
		t, err := time.Parse(isapiTime, local)
		if err != nil {
			if t, err = time.ParseInLocation("2006-01-02T15:04:05", local, w.start.Location()); err != nil {
				return w.status(path, 6, "badXmlContent")
			}
		}
		w.setClock(t)
	}
	for name, v := range write {
		t, key := w.front().row(name)
		t.set(key, v)
	}
	return w.status(path, 1, "ok")
}
