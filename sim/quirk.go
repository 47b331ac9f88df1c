package sim

import (
	"fmt"
	"slices"
	"strings"
)

// QuirkInfo describes a quirk: a lasting oddity of a kind of recorder.
type QuirkInfo struct {
	Name   string   `json:"name"`
	Brands []Brand  `json:"brands,omitempty"` // that can have it; none: all
	Models []string `json:"models,omitempty"` // presets that have it, the slow ones aside
	About  string   `json:"about"`            // one sentence
}

// The quirks by name. Those of the hostile answers are in hostile.go.
const (
	connectionClose = "connection-close"
	oneShotNonces   = "one-shot-nonces"

	sha256Quirk      = "sha256"
	basicOnly        = "basic-only"
	challengeTight   = "challenge-tight"
	challengeSpaced  = "challenge-spaced"
	challengeBare    = "challenge-unquoted"
	challengeCapital = "challenge-capitals"
	challengeTabs    = "challenge-tabs"
	challengeComma   = "challenge-trailing-comma"
	challengeBasic   = "challenge-basic-too"
	challengeAuthInt = "challenge-auth-int"
	lockKept         = "lock-kept"
	lock403          = "lock-403"
	clock1970        = "clock-1970"
	beepsTwice       = "beeps-twice"
	https            = "https"
	httpsRedirect    = "https-redirect"
	tls10            = "tls-1.0"
	newKey           = "new-key-after-reset"
	onvifToo         = "onvif"

	cgiRefuses         = "cgi-refuses"
	connectionsLimited = "connections-limited"
	emptyWrite         = "empty-write"
	oldErrors          = "old-errors"
	lfOnly             = "lf-only"
	versionSpace       = "version-space"
	resetTypeOne       = "reset-type-1"
	resetDrops         = "reset-drops-connection"
	resetEnvelope      = "reset-by-envelope"
	resetEnvelopeOnly  = "reset-only-by-envelope"
	restoreFails       = "restore-fails"
	restoreError       = "restore-except-error"
	numbersAsStrings   = "numbers-as-strings"
	sessionNumber      = "session-number"
	resultHandle       = "result-handle"
	paramsNull         = "params-null"
	lockAtFirstStep    = "lock-at-first-step"
	dhipNUL            = "dhip-nul"
	dhipSeveral        = "dhip-several"
	dhipNoInit         = "dhip-no-init"

	isapiNamespace   = "isapi-namespace"
	realmIPCamera    = "realm-ip-camera"
	resetNeedsReboot = "reset-needs-reboot"
	resetBusy        = "reset-busy"

	notAuthorized400 = "not-authorized-400"
	tokenOnly        = "ws-token-only"
	digestOnly       = "digest-only"
)

// Quirks are all quirks that a unit can have. Options.Quirks names what is
// added to those of the model, and with "no-" in front what is taken away.
func Quirks() []QuirkInfo {
	dahua, hikvision, anyONVIF := []Brand{Dahua}, []Brand{Hikvision}, []Brand{ONVIF, Dahua, Hikvision}
	list := []QuirkInfo{
		{connectionClose, nil, nil, "Every answer says Connection: close; without it connections stay open."},
		{oneShotNonces, nil, nil, "A nonce is good for one request; without it, for more with a higher count."},
		{staleNonce, nil, nil, "A nonce that was used before is answered with 403."},
		{sha256Quirk, nil, nil, "The digest challenge wants SHA-256."},
		{basicOnly, nil, nil, "It wants Basic instead of Digest."},
		{challengeTight, nil, nil, "No spaces after the commas of a digest challenge."},
		{challengeSpaced, nil, nil, "Spaces after the commas of a digest challenge."},
		{challengeBare, nil, nil, "stale, algorithm and qop stand without quotes in a digest challenge."},
		{challengeCapital, nil, nil, "The names in a digest challenge begin with a capital."},
		{challengeTabs, nil, nil, "Tabs after the commas of a digest challenge."},
		{challengeComma, nil, nil, "A comma ends the digest challenge."},
		{challengeBasic, nil, nil, "Basic stands before Digest in one header line; Digest alone is accepted."},
		{challengeAuthInt, nil, nil, "The digest challenge offers auth-int before auth."},
		{lockKept, nil, nil, "A lock outlives a restart and a reset."},
		{lock403, nil, nil, "Logins are answered with 403 while locked; without it, with 401."},
		{clock1970, nil, nil, "After a reset the clock begins at 1970 with each start, until it is set."},

		{https, nil, nil, "It serves TLS too, on port 443, with a certificate that it signed itself."},
		{httpsRedirect, nil, nil, "It serves TLS, and redirects every request without it there."},
		{tls10, nil, nil, "Its TLS is of version 1.0."},
		{newKey, nil, nil, "A factory reset makes it a new key and certificate."},
		{extraPort, nil, nil, "A reset opens the TCP port 23."},
		{beepsTwice, nil, nil, "The reset's long beep comes twice."},

		{cgiRefuses, dahua, nil, "CGI answers 401 to the right password; RPC2 lets it in."},
		{connectionsLimited, dahua, nil, "CGI answers 401 to more than 20 requests within 10 s."},
		{emptyWrite, dahua, nil, "CGI answers a write that lands with an empty 200."},
		{oldErrors, dahua, nil, "CGI writes errors in the old form, Error ErrorID = 0, Detail = and the reason."},
		{lfOnly, dahua, nil, "Lines of CGI end in LF; without it, in CRLF."},
		{versionSpace, dahua, nil, "A space stands in the firmware's version where others have a comma."},
		{resetTypeOne, dahua, nil, "resetSystemEx resets everything with type=1; type=0 is refused."},
		{resetDrops, dahua, nil, "The connection is dropped where a reset command should be answered."},
		{resetEnvelope, dahua, nil, "RPC2 has magicBox.resetSystem, in an envelope with the password."},
		{resetEnvelopeOnly, dahua, nil, "CGI has no resetSystemEx."},
		{restoreFails, dahua, nil, "configManager.restore is answered with an internal error and does nothing."},
		{restoreError, dahua, nil, "configManager.restoreExcept reports an error although it worked."},
		{numbersAsStrings, dahua, nil, "RPC2 writes numbers as strings."},
		{sessionNumber, dahua, nil, "RPC2's session is a number, its challenge short."},
		{resultHandle, dahua, nil, "RPC2's result of a success is a number other than 0."},
		{paramsNull, dahua, nil, "RPC2's params are null in errors and in answers without a value."},
		{lockAtFirstStep, dahua, nil, "RPC2 tells of a lock at the first step of a login; without it, at the second."},
		{dhipNUL, dahua, nil, "A discovery answer ends in NUL."},
		{dhipSeveral, dahua, nil, "To a group the unit answers twice, once for each of its interfaces."},
		{dhipNoInit, dahua, nil, "A discovery answer has no Init."},

		{isapiNamespace, hikvision, nil, "XML has the newer namespace http://www.isapi.org/ver20/XMLSchema."},
		{realmIPCamera, hikvision, nil, "The digest challenge has the form with realm=\"IP Camera(83813)\"."},
		{resetNeedsReboot, hikvision, nil, "factoryReset answers 7, reboot required, and is done when the client has it reboot."},
		{resetBusy, hikvision, nil, "The first factoryReset since the start is answered with 2, busy."},

		{onvifToo, []Brand{Dahua, Hikvision}, nil, "It serves ONVIF beside its own protocol."},
		{notAuthorized400, anyONVIF, nil, "ONVIF answers a missing or wrong login with 400 and a fault; without it, with 401 and a challenge."},
		{tokenOnly, anyONVIF, nil, "ONVIF takes no HTTP digest, only WS-UsernameToken."},
		{digestOnly, anyONVIF, nil, "ONVIF takes no WS-UsernameToken, only HTTP digest."},
	}
	list = append(list, hostileQuirks()...)
	for _, m := range Models() {
		if strings.HasSuffix(m.Name, "-slow") {
			continue
		}
		for i := range list {
			if slices.Contains(m.Quirks, list[i].Name) {
				list[i].Models = append(list[i].Models, m.Name)
			}
		}
	}
	return list
}

// quirksOf are a model's quirks with those of the options put in and taken
// out. The error names an unknown one, or one of another brand.
func quirksOf(m Model, more []string) (map[string]bool, error) {
	known := map[string]QuirkInfo{}
	var names []string
	for _, q := range Quirks() {
		known[q.Name] = q
		names = append(names, q.Name)
	}
	brand := m.Brand
	if brand == "" {
		brand = Dahua
	}
	on := map[string]bool{}
	add := func(name string) error {
		plain, off := strings.CutPrefix(name, "no-")
		q, ok := known[plain]
		if !ok {
			return unknown("quirk", name, names)
		}
		if len(q.Brands) > 0 && !slices.Contains(q.Brands, brand) {
			return fmt.Errorf("simulated quirk %q is one of %v: the model %q is of %s", plain, q.Brands, m.Name, brand)
		}
		on[plain] = !off
		return nil
	}
	for _, name := range slices.Concat(m.Quirks, more) {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	if m.Basic {
		on[basicOnly] = true
	}
	if m.RestoreFails {
		on[restoreFails] = true
	}
	if m.LockStatus == 403 && !slices.Contains(more, "no-"+lock403) {
		on[lock403] = true
	}
	return on, nil
}

// quirk reports whether the unit has a quirk.
func (w *World) quirk(name string) bool { return w.quirks[name] }
