package store

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// A record's text is deflated: JSON of a cycle shrinks to a quarter. The preset
// dictionary has the words that every record repeats; it belongs to the format
// of the database and is never changed.

// dictionary is what deflate may refer to from the first byte on; the most
// frequent words stand last.
const dictionary = `"params":{"beep":"required","hold":"20s","off":"10s","restart":"5m","stable":"20s"},"source":"# Way 2 of the IMOU guide: the reset pins are shorted, the power is applied,\n` +
	`scenario: imou-hard-reset\nabout: \nparams: {off: 10s, hold: 20s, restart: 5m, stable: 20s, beep: required}\narrange:\n  - power: on\n  - reachable: {within: $restart}\n  - provision\n  - mark: {password: unique, name: unique}\n` +
	`act:\n  - power: off\n  - wait: {for: $off}\n  - press: reset\n  - power: on\n  - hold: {for: $hold, since: power-on, until-beep-ends: 1s}\n  - release: reset\n  - hear: {beep: long, from: power-on, to: release, verdict: $beep}\nassert:\n  - restarted: {within: $restart, stable: $stable}\n  - default-state\n` +
	`"mark":{"id":"","values":[{"what":"password","was":"***","is":"***"},{"what":"name","was":"NVR","is":"rr-` +
	`{"id":"","run":"","cycle":1,"attempt":1,"bench":"","scenario":"imou-hard-reset","control":true,"version":"","started":"2026-11-22T","took_ns":,"outcome":"fail","attribution":"presumed","attribution":"proven","reason":"reset-ignored","text":"the program died within the cycle` +
	`"outcome":"pass","dut":{"serial":"","mac":"9c:14:63:"},"operations":{"power":3,"reset":2},"senses":["power","reset","network"]}` +
	`{"phase":"arrange","step":"reachable within 5m0s","began_ns":1000000000,"took_ns":10000000},{"phase":"act","step":"hold 20s since power-on, until the beep ends","began_ns":{"phase":"assert","step":"restarted within 5m0s","began_ns":` +
	`,"steps":[{"phase":"arrange","step":"power on","began_ns":,"checks":[{"name":"sense/power","kind":"relay","wanted":"off","seen":"off","outcome":"pass"},{"name":"provisioned-login","kind":"login","wanted":"the account just created is accepted","seen":"accepted as admin","outcome":"pass"},` +
	`{"name":"beep","kind":"beep","wanted":"long beep required","seen":" s at 2730 Hz,  s after power-on","outcome":"pass"},{"name":"restarted","kind":"restart","wanted":"restarted within 5m0s, then up for 20s","seen":"silent, then a first answer  s later, no boot is shorter than ` +
	`{"name":"identity","kind":"identity","wanted":"the bench's unit","seen":"serial , MAC 9c:14:63:","outcome":"pass"},{"name":"init-state","kind":"init","wanted":"uninitialised","seen":"uninitialised, DevInit Init=1, DHIP Init=3209 (\u00263: 1)","outcome":"pass"},` +
	`{"name":"marker/password","kind":"marker","wanted":"the marked password is gone","seen":"the unit is uninitialised: it has no account","outcome":"pass"},{"name":"marker/name","kind":"marker","wanted":"no longer \"rr-\"","seen":"NVR","outcome":"pass"},` +
	`{"name":"config/General","kind":"config","wanted":"equal to the baseline","seen":"equal","outcome":"pass"},{"name":"config/Network","kind":"config","wanted":"equal to the baseline","seen":"equal","outcome":"pass"},{"name":"firmware","kind":"firmware","wanted":"4.001.0000005.1.R build:2022-03-25","seen":"` +
	`"measurements":[{"name":"press_duration","value":20.0,"unit":"s","outcome":"pass"},{"name":"press_duration_sensed","value":20.01,"unit":"s","outcome":"pass"},{"name":"beep_onset","value":15.1,"unit":"s","outcome":"pass"},{"name":"beep_duration","value":,"unit":"s","outcome":"pass"},{"name":"beep_frequency","value":2729.,"unit":"Hz","outcome":"pass"},{"name":"beep_snr","value":30.,"unit":"dB","outcome":"pass"},{"name":"first_answer","value":,"unit":"s","outcome":"pass"},{"name":"restart_time","value":2,"unit":"s","outcome":"pass"},{"name":"rig_overhead","value":0.0,"unit":"s","max":0.25,"outcome":"pass"}],` +
	`"beeps":[{"onset_ns":,"duration_ns":,"frequency_hz":2729.,"snr_db":30.,"level_dbfs":-24.00,"kind":"short"},{"onset_ns":"kind":"long"}],"timeline":[{"at":0,"kind":"phase","name":"health"},{"at":0,"kind":"check","name":"sense/reset","text":"pass"},{"at":,"kind":"phase","name":"assert"},` +
	`{"at":,"kind":"step","name":"act","text":"press reset"},{"at":,"kind":"relay","name":"reset","on":true},{"at":,"kind":"sense","name":"power","on":true},{"at":,"kind":"beep","name":"long","text":"ended"},{"at":,"kind":"check","name":"init-state","text":"pass"},{"at":`

// deflaters are reused: one takes a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriterDict(io.Discard, flate.BestCompression, []byte(dictionary))
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// pack is text deflated.
func pack(text []byte) []byte {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// most is the longest text of a record that is unpacked: a damaged one must not
// fill the memory.
const most = 64 << 20

// inflaters are reused too: a report reads thousands of records.
var inflaters = sync.Pool{New: func() any { return flate.NewReaderDict(bytes.NewReader(nil), []byte(dictionary)) }}

func unpack(packed []byte) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(packed), []byte(dictionary)); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, most))
}
