package nvr

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// wsdPort and wsdGroup are WS-Discovery's, by which ONVIF devices are found.
const (
	wsdPort  = "3702"
	wsdGroup = "239.255.255.250"
)

const wsdProbe = xmlHead + `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">` +
	`<s:Header><a:MessageID>%s</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>` +
	`<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>` +
	`<s:Body><d:Probe><d:Types/><d:Scopes/></d:Probe></s:Body></s:Envelope>`

// DiscoverONVIF asks an address for ONVIF devices by WS-Discovery and collects
// answers for wait. Without a port it asks 3702. The broadcast address, which
// these devices do not listen to, is replaced by their multicast group. A unit
// that answers several times is listed once; what is no ONVIF device is left out.
func DiscoverONVIF(ctx context.Context, n Network, addr string, wait time.Duration) ([]Found, error) {
	return discoverONVIF(ctx, n, addr, wait, nil)
}

// discoverONVIF is DiscoverONVIF; where the network can, it ends when enough
// says so of an answer. nil waits for all.
func discoverONVIF(ctx context.Context, n Network, addr string, wait time.Duration, enough func(Found) bool) ([]Found, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, wsdPort
	}
	if host == "255.255.255.255" {
		host = wsdGroup
	}
	addr = net.JoinHostPort(host, port)
	// A device answers each message once: the identifier must be a new one.
	var b [16]byte
	_, _ = rand.Read(b[:]) // does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	id := fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	answers, err := exchange(ctx, n, addr, fmt.Appendf(nil, wsdProbe, id), wait, func(a Datagram) bool {
		from, _, _ := net.SplitHostPort(a.From)
		matches, err := parseProbeMatches(string(a.Data), id, from)
		return err == nil && enough != nil && slices.ContainsFunc(matches, enough)
	})
	if err != nil {
		return nil, fmt.Errorf("WS-Discovery at %s: %w", addr, err)
	}
	var out []Found
	seen := map[string]bool{}
	for _, a := range answers {
		from, _, _ := net.SplitHostPort(a.From)
		matches, err := parseProbeMatches(string(a.Data), id, from)
		if err != nil {
			continue
		}
		for _, f := range matches {
			f.From = a.From
			key := cmp.Or(f.UUID, bareMAC(f.MAC), f.IP)
			if !seen[key] {
				seen[key] = true
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.UUID, b.UUID)) })
	return out, nil
}

// maxMatches bounds what one datagram may list.
const maxMatches = 16

// parseProbeMatches reads an answer to the probe with this identifier. from is
// the host that sent it.
func parseProbeMatches(body, id, from string) ([]Found, error) {
	root, err := document(body)
	if err != nil {
		return nil, err
	}
	matches := root.at("Body", "ProbeMatches")
	if root.name != "Envelope" || matches == nil {
		return nil, fmt.Errorf("%w: it is no ProbeMatches: %s", rig.ErrGarbage, short(body))
	}
	if to := root.at("Header").value("RelatesTo"); to != "" && bareUUID(to) != bareUUID(id) {
		return nil, fmt.Errorf("%w: it answers another question", rig.ErrGarbage)
	}
	var out []Found
	for _, m := range matches.kids {
		if f, ok := foundONVIF(m, from); ok && len(out) < maxMatches {
			out = append(out, f)
		}
	}
	return out, nil
}

// macScope is how devices name their hardware address.
var macScope = regexp.MustCompile(`(?i)/mac/((?:[0-9a-f]{2}[:-]?){5}[0-9a-f]{2})$`)

// foundONVIF reads one match. What speaks of ONVIF nowhere is another device.
func foundONVIF(m *element, from string) (Found, bool) {
	f := Found{UUID: bareUUID(m.at("EndpointReference").value("Address")), IP: from}
	is := strings.Contains(m.value("Types"), "NetworkVideo")
	for scope := range strings.FieldsSeq(m.value("Scopes")) {
		u, err := url.Parse(scope)
		if err != nil || !strings.EqualFold(u.Scheme, "onvif") {
			continue
		}
		is = true
		kind, text, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		switch strings.ToLower(kind) {
		case "name":
			f.Name = cmp.Or(f.Name, short(text))
		case "hardware":
			f.Type = cmp.Or(f.Type, short(text))
		}
		if mac := macScope.FindStringSubmatch(u.Path); mac != nil {
			f.MAC = cmp.Or(f.MAC, colonMAC(mac[1]))
		}
	}
	for x := range strings.FieldsSeq(m.value("XAddrs")) {
		u, err := url.Parse(x)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		is = is || strings.Contains(u.Path, "onvif")
		// Of several addresses that one is right from which it answers.
		if f.XAddr == "" || u.Hostname() == from && f.IP != from {
			f.XAddr, f.IP = u.Scheme+"://"+u.Host, u.Hostname()
			f.HTTPPort = portOf(u)
		}
	}
	return f, is
}

func portOf(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil {
		return n
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

func bareUUID(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	return strings.TrimPrefix(strings.TrimPrefix(s, "urn:"), "uuid:")
}

// colonMAC is a hardware address as it is usually written.
func colonMAC(s string) string {
	b := bareMAC(s)
	var parts []string
	for len(b) >= 2 {
		parts, b = append(parts, b[:2]), b[2:]
	}
	return strings.Join(parts, ":")
}
