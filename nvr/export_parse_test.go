package nvr

// The parsers of what a recorder of Dahua's kind says, for the tests that feed
// them what nobody here wrote.

func ParseKeyValues(body string) (map[string]string, error) { return parseKeyValues(body) }

func ParseFound(b []byte) (Found, error) { return parseFound(b) }

// SaysError reports the bodies that mean no.
func SaysError(body string) bool { return saysError(body) }

// RPCSays is what a JSON-RPC answer is: whether it is ok, its code, and what is
// left of the tries and of the lock.
func RPCSays(body string) (ok bool, code int64, tries, lock int, err error) {
	a, err := parseRPC(body)
	if err != nil {
		return false, 0, -1, -1, err
	}
	if !a.ok() && a.said() == nil {
		panic("a refusal without an error")
	}
	tries, lock = a.remains()
	return a.ok(), a.code(), tries, lock, nil
}

// Flat is a JSON-RPC table as Table.key → value.
func Flat(name, table string) (map[string]string, error) {
	v, err := readTree([]byte(table))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	flatten(name, v, out)
	return out, nil
}

// Grafted is the value of a key after it was put into a table, read back.
func Grafted(name, table, key, value string) (map[string]string, error) {
	v, err := readTree([]byte(table))
	if err == nil {
		v, err = graft(v, key[len(name):], value)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	flatten(name, v, out)
	return out, nil
}

// Challenge is one challenge of a header.
type Challenge struct {
	Scheme string
	Params map[string]string
}

func Challenges(header string) []Challenge {
	var out []Challenge
	for _, c := range parseChallenges(header) {
		out = append(out, Challenge{c.scheme, c.params})
	}
	return out
}
