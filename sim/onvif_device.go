package sim

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// device answers a call of the device service. Those that the standard has
// before authentication are answered to anybody.
func (w onvif) device(req *http.Request, body []byte) answer {
	if req.Method != http.MethodPost {
		return answer{status: 405, kind: "text/html", body: "<html><body>405 Method Not Allowed</body></html>\n"}
	}
	if len(body) == 0 && req.Header.Get("Authorization") == "" {
		return w.unauthorized() // what clients send that want the challenge first
	}
	doc, err := readXML(body)
	if err != nil || doc.name.Local != "Envelope" || doc.kid("Body") == nil || len(doc.kid("Body").kids) != 1 {
		return soapFault(400, "Sender", "ter:WellFormed", "", "Well-formed Error")
	}
	if doc.name.Space != nsSOAP {
		return soapFault(400, "VersionMismatch", "ter:WellFormed", "", "SOAP 1.2 is wanted")
	}
	call := doc.kid("Body").kids[0]
	if call.name.Space != nsTDS {
		return soapFault(400, "Sender", "ter:ActionNotSupported", "", "Optional Action Not Implemented")
	}
	if a, ok := w.preAuth(req, call.name.Local); ok {
		return a
	}
	u, no := w.caller(req, body, doc)
	if no != nil {
		return *no
	}
	if a, ok := w.read(call.name.Local); ok {
		return a
	}
	if u.group != "admin" {
		return soapFault(400, "Sender", "ter:NotAuthorized", "", "Sender not Authorized")
	}
	return w.change(call)
}

// done is the response to a call: its name with Response, and what it carries.
func done(call string, inner ...string) answer {
	return soap(200, tag("tds:"+call+"Response", inner...))
}

// service is where the device service is, as the asker named the unit.
func (w onvif) service(req *http.Request) string { return "http://" + req.Host + onvifPath }

// preAuth answers what needs no login.
func (w onvif) preAuth(req *http.Request, call string) (answer, bool) {
	f := w.front()
	switch call {
	case "GetSystemDateAndTime":
		now := w.deviceTime().UTC()
		moment := tag("tt:Time", num("tt:Hour", now.Hour()), num("tt:Minute", now.Minute()), num("tt:Second", now.Second())) +
			tag("tt:Date", num("tt:Year", now.Year()), num("tt:Month", int(now.Month())), num("tt:Day", now.Day()))
		kind, zone := f.value("Time", "Type"), f.value("Time", "TZ")
		defaultTo(&kind, "Manual")
		defaultTo(&zone, "UTC0")
		return done(call, tag("tds:SystemDateAndTime", leaf("tt:DateTimeType", kind), leaf("tt:DaylightSavings", "false"),
			tag("tt:TimeZone", leaf("tt:TZ", zone)), tag("tt:UTCDateTime", moment), tag("tt:LocalDateTime", moment))), true
	case "GetCapabilities":
		return done(call, tag("tds:Capabilities", tag("tt:Device", leaf("tt:XAddr", w.service(req)),
			tag("tt:Network", leaf("tt:IPFilter", "false"), leaf("tt:ZeroConfiguration", "false"), leaf("tt:IPVersion6", "false"), leaf("tt:DynDNS", "false")),
			tag("tt:System", leaf("tt:DiscoveryResolve", "false"), leaf("tt:DiscoveryBye", "false"), leaf("tt:RemoteDiscovery", "false"),
				leaf("tt:SystemBackup", "false"), leaf("tt:SystemLogging", "false"), leaf("tt:FirmwareUpgrade", "false"),
				tag("tt:SupportedVersions", num("tt:Major", 2), num("tt:Minor", 40)))))), true
	case "GetServices":
		return done(call, tag("tds:Service", leaf("tds:Namespace", nsTDS), leaf("tds:XAddr", w.service(req)),
			tag("tds:Version", num("tt:Major", 2), num("tt:Minor", 40)))), true
	case "GetHostname":
		return done(call, tag("tds:HostnameInformation", leaf("tt:FromDHCP", "false"), leaf("tt:Name", f.value("General", "MachineName")))), true
	}
	return answer{}, false
}

func num(name string, n int) string { return leaf(name, strconv.Itoa(n)) }

// read answers what needs a login and changes nothing.
func (w onvif) read(call string) (answer, bool) {
	f := w.front()
	network := func(key string) string { return f.value("Network", "eth0."+key) }
	switch call {
	case "GetDeviceInformation":
		version, _, _ := strings.Cut(w.firmware(), ",")
		return done(call, leaf("tds:Manufacturer", w.vendor()), leaf("tds:Model", w.model.DeviceType), leaf("tds:FirmwareVersion", version),
			leaf("tds:SerialNumber", w.serial()), leaf("tds:HardwareId", w.model.Hardware)), true
	case "GetUsers":
		var users []string
		for _, u := range f.users {
			if !u.hidden {
				users = append(users, tag("tds:User", leaf("tt:Username", u.name), leaf("tt:UserLevel", levelOf(u))))
			}
		}
		return done(call, users...), true
	case "GetNTP":
		var manual string
		switch addr := f.value("NTP", "Address"); {
		case addr == "":
		case net.ParseIP(addr) != nil:
			manual = tag("tt:NTPManual", leaf("tt:Type", "IPv4"), leaf("tt:IPv4Address", addr))
		default:
			manual = tag("tt:NTPManual", leaf("tt:Type", "DNS"), leaf("tt:DNSname", addr))
		}
		return done(call, tag("tds:NTPInformation", leaf("tt:FromDHCP", "false"), manual)), true
	case "GetNetworkInterfaces":
		mtu, ones := network("MTU"), 24
		if ip := net.ParseIP(network("SubnetMask")).To4(); ip != nil {
			ones, _ = net.IPMask(ip).Size()
		}
		at := tag("tt:Manual", leaf("tt:Address", network("IPAddress")), num("tt:PrefixLength", ones))
		return done(call, tag(`tds:NetworkInterfaces token="eth0"`, leaf("tt:Enabled", "true"),
			tag("tt:Info", leaf("tt:Name", "eth0"), leaf("tt:HwAddress", w.mac()), leaf("tt:MTU", mtu)),
			tag("tt:IPv4", leaf("tt:Enabled", "true"), tag("tt:Config", at, leaf("tt:DHCP", network("DhcpEnable")))))), true
	case "GetNetworkDefaultGateway":
		return done(call, tag("tds:NetworkGateway", leaf("tt:IPv4Address", network("DefaultGateway")))), true
	case "GetDNS":
		var dns string
		if a := network("DNS"); a != "" {
			dns = tag("tt:DNSManual", leaf("tt:Type", "IPv4"), leaf("tt:IPv4Address", a))
		}
		return done(call, tag("tds:DNSInformation", leaf("tt:FromDHCP", "false"), dns)), true
	case "GetScopes":
		var scopes []string
		for _, s := range w.fixedScopes() {
			scopes = append(scopes, tag("tds:Scopes", leaf("tt:ScopeDef", "Fixed"), leaf("tt:ScopeItem", s)))
		}
		for s := range strings.FieldsSeq(f.value("Scopes", "Configurable")) {
			scopes = append(scopes, tag("tds:Scopes", leaf("tt:ScopeDef", "Configurable"), leaf("tt:ScopeItem", s)))
		}
		return done(call, scopes...), true
	}
	return answer{}, false
}

func levelOf(u user) string {
	if u.group == "admin" {
		return "Administrator"
	}
	return "User"
}

// invalid is the fault of an argument.
func invalid(below string) answer {
	return soapFault(400, "Sender", "ter:InvalidArgVal", "ter:"+below, "Invalid argument value")
}

// prohibited is the fault of a unit that will not.
func prohibited() answer {
	return soapFault(400, "Sender", "ter:OperationProhibited", "", "Operation not permitted")
}

// change answers what changes the unit.
func (w onvif) change(call *element) answer {
	name, f := call.name.Local, w.front()
	switch name {
	case "SystemReboot":
		w.commandReboot()
		return done(name, leaf("tds:Message", "Rebooting in 1 second"))
	case "SetSystemFactoryDefault":
		kind := call.at("FactoryDefault")
		if kind != "Hard" && kind != "Soft" {
			return invalid("FactoryDefault")
		}
		if w.faults[resetRefused] {
			return prohibited()
		}
		w.commandReset(keeping{network: kind == "Soft"})
		return done(name)
	case "SetSystemDateAndTime":
		return w.setTime(call)
	}
	var set func(table, key, value string)
	refuse := w.faults[refusedWrite]
	set = func(table, key, value string) {
		if t := f.table(table); t != nil {
			t.set(key, value)
		}
	}
	switch name {
	case "SetHostname":
		host := call.at("Name")
		if host == "" || len(host) > 63 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != "" {
			return invalid("InvalidHostname")
		}
		if refuse {
			return prohibited()
		}
		set("General", "MachineName", host)
	case "SetNTP":
		manual := call.kid("NTPManual")
		addr := manual.at("DNSname") + manual.at("IPv4Address")
		if call.at("FromDHCP") != "true" && addr == "" && manual != nil {
			return invalid("InvalidDnsName")
		}
		if refuse {
			return prohibited()
		}
		set("NTP", "Address", addr)
	case "SetScopes":
		var scopes []string
		for _, s := range call.all("Scopes") {
			scopes = append(scopes, s.text)
		}
		if refuse {
			return prohibited()
		}
		set("Scopes", "Configurable", strings.Join(scopes, " "))
	case "CreateUsers", "SetUser", "DeleteUsers":
		return w.changeUsers(name, call)
	default:
		return soapFault(400, "Sender", "ter:ActionNotSupported", "", "Optional Action Not Implemented")
	}
	return done(name)
}

// changeUsers creates, changes or deletes accounts: all that a call names, or
// none.
func (w onvif) changeUsers(name string, call *element) answer {
	f := w.front()
	users := append([]user{}, f.users...)
	at := func(name string) int {
		for i := range users {
			if users[i].name == name && !users[i].hidden {
				return i
			}
		}
		return -1
	}
	if name == "DeleteUsers" {
		for _, e := range call.all("Username") {
			i := at(e.text)
			switch {
			case i < 0:
				return invalid("UsernameMissing")
			case users[i].reserved:
				return invalid("FixedUser")
			}
			users = append(users[:i], users[i+1:]...)
		}
	}
	for _, e := range call.all("User") {
		u := user{name: e.at("Username"), password: e.at("Password"), group: "user"}
		if e.at("UserLevel") == "Administrator" {
			u.group = "admin"
		}
		i := at(u.name)
		switch {
		case name == "CreateUsers" && i >= 0:
			return soapFault(400, "Sender", "ter:OperationProhibited", "ter:UsernameClash", "Username already exists")
		case name == "CreateUsers" && (u.name == "" || !w.speaks.password(u.password)),
			name == "SetUser" && e.kid("Password") != nil && !w.speaks.password(u.password):
			return soapFault(400, "Sender", "ter:OperationProhibited", "ter:Password", "The password is too weak")
		case name == "CreateUsers":
			users = append(users, u)
		case i < 0:
			return invalid("UsernameMissing")
		default:
			if u.password != "" {
				users[i].password = u.password
			}
			if !users[i].reserved {
				users[i].group = u.group
			}
		}
	}
	if w.faults[refusedWrite] {
		return prohibited()
	}
	f.users = users
	return done(name)
}

func (w onvif) setTime(call *element) answer {
	var n [6]int
	if call.at("DateTimeType") == "Manual" {
		utc := call.kid("UTCDateTime")
		for i, path := range [...]string{"Date/Year", "Date/Month", "Date/Day", "Time/Hour", "Time/Minute", "Time/Second"} {
			v, err := strconv.Atoi(utc.at(strings.Split(path, "/")...))
			if err != nil {
				return invalid("InvalidDateTime")
			}
			n[i] = v
		}
	}
	if w.faults[refusedWrite] {
		return prohibited()
	}
	if n[0] != 0 {
		w.setClock(time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC))
	}
	if t := w.front().table("Time"); t != nil {
		t.set("Type", call.at("DateTimeType"))
	}
	return done(call.name.Local)
}

// fixedScopes say what the unit is.
func (w onvif) fixedScopes() []string {
	const base = "onvif://www.onvif.org/"
	return []string{
		base + "type/Network_Video_Transmitter", base + "Profile/Streaming",
		base + "hardware/" + scopeText(w.model.DeviceType), base + "name/" + scopeText(w.front().value("General", "MachineName")),
		base + "MAC/" + w.mac(),
	}
}

// scopeText is a text as part of a scope, which is a URI.
func scopeText(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 127 || strings.IndexByte(`"<>%/\^`+"`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
