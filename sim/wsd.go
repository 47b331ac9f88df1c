package sim

import (
	"net"
	"strings"
)

// WS-Discovery.
const (
	wsPort  = "3702"
	wsGroup = "239.255.255.250"
	nsWSA   = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsWSD   = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	nsDN    = "http://www.onvif.org/ver10/network/wsdl"
)

// probed is the answer to a Probe that the unit matches. One without types is
// matched by all.
func (w onvif) probed(port string, datagram []byte) [][]byte {
	if port != wsPort {
		return nil
	}
	doc, err := readXML(datagram)
	if err != nil || doc.name.Space != nsSOAP || doc.name.Local != "Envelope" {
		return nil
	}
	probe := doc.kid("Body", "Probe")
	if probe == nil || probe.name.Space != nsWSD {
		return nil
	}
	for t := range strings.FieldsSeq(probe.at("Types")) {
		_, local, ok := strings.Cut(t, ":")
		if !ok {
			local = t
		}
		if local != "NetworkVideoTransmitter" && local != "Device" {
			return nil
		}
	}
	scopes := append(w.fixedScopes(), strings.Fields(w.front().value("Scopes", "Configurable"))...)
	for want := range strings.FieldsSeq(probe.at("Scopes")) {
		found := false
		for _, s := range scopes {
			found = found || s == want || strings.HasPrefix(s, strings.TrimSuffix(want, "/")+"/")
		}
		if !found {
			return nil
		}
	}
	id := hexOf(w.mac()+"/uuid", 32)
	uuid := id[:8] + "-" + id[8:12] + "-4" + id[13:16] + "-8" + id[17:20] + "-" + id[20:]
	host := w.address()
	if w.port != "80" {
		host = net.JoinHostPort(host, w.port)
	}
	w.server.ids++
	return [][]byte{[]byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<env:Envelope xmlns:env="` + nsSOAP + `" xmlns:wsa="` + nsWSA + `" xmlns:d="` + nsWSD + `" xmlns:dn="` + nsDN + `" xmlns:tds="` + nsTDS + `">` +
		tag("env:Header",
			leaf("wsa:MessageID", "urn:uuid:"+hexOf(uuid+string(rune(w.server.ids)), 8)+uuid[8:]),
			leaf("wsa:RelatesTo", doc.at("Header", "MessageID")),
			leaf("wsa:To", nsWSA+"/role/anonymous"),
			leaf("wsa:Action", nsWSD+"/ProbeMatches")) +
		tag("env:Body", tag("d:ProbeMatches", tag("d:ProbeMatch",
			tag("wsa:EndpointReference", leaf("wsa:Address", "urn:uuid:"+uuid)),
			leaf("d:Types", "dn:NetworkVideoTransmitter tds:Device"),
			leaf("d:Scopes", strings.Join(scopes, " ")),
			leaf("d:XAddrs", "http://"+host+onvifPath),
			leaf("d:MetadataVersion", "1")))) +
		"</env:Envelope>\n")}
}
