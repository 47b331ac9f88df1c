package web

import (
	"iter"
	"math"
	"net/http"
	"reflect"
	"strings"

	"resetrig/rig"
	"resetrig/soak"
	"resetrig/web/access"
)

// The query's parameters that several routes have.
var (
	limitParam  = param{name: "limit", about: "at most so many", least: 1, most: 500, otherwise: 50}
	cursorParam = param{name: "cursor", about: "what `next` of the page before said"}
	benchParam  = param{name: "bench", about: "of this bench"}
)

func of[T any]() reflect.Type { return reflect.TypeFor[T]() }

// apiRoutes is everything that a program may ask for.
func apiRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	v, o := access.Viewer, access.Operator
	outcomes := param{name: "outcome", about: "that ended so; may be repeated", words: []string{string(rig.Pass), string(rig.Fail), string(rig.Error), string(rig.Aborted)}, many: true}
	wish := func(w soak.Wish) func(*Server, *call) (any, error) {
		return func(s *Server, c *call) (any, error) { return s.apiAsk(c, w) }
	}
	halt := func(how Halting) func(*Server, *call) (any, error) {
		return func(s *Server, c *call) (any, error) { return s.Halt(c.Context(), c.PathValue("bench"), how) }
	}
	return []route{
		{method: get, path: "/api/v1/rig", id: "getRig", tag: "rig", role: v, about: "The rig and the program on it", gives: of[RigInfo](), do: (*Server).apiRig},
		{method: get, path: "/api/v1/benches", id: "listBenches", tag: "benches", role: v, about: "The benches: wiring, relay life, ear, findings", gives: of[BenchList](), do: (*Server).apiBenches},
		{method: get, path: "/api/v1/benches/{bench}", id: "getBench", tag: "benches", role: v, about: "One bench", gives: of[Bench](), do: (*Server).apiBench},
		{method: get, path: "/api/v1/benches/{bench}/scenarios", id: "listScenarios", tag: "benches", role: v, about: "What can be run on a bench", gives: of[ScenarioList](), do: (*Server).apiScenarios},
		{method: get, path: "/api/v1/moments", id: "listMoments", tag: "live", role: v, about: "What every bench does now", gives: of[MomentList](), do: (*Server).apiMoments},
		{method: get, path: "/api/v1/benches/{bench}/moment", id: "getMoment", tag: "live", role: v, about: "What one bench does now", gives: of[Moment](), do: (*Server).apiMoment},

		{method: post, path: "/api/v1/benches/{bench}/start", id: "startRun", tag: "acting", role: o, about: "Start a soak on a bench. 409 where the bench is busy", takes: of[StartWish](), gives: of[Begun](), status: http.StatusCreated, do: (*Server).apiStart},
		{method: post, path: "/api/v1/benches/{bench}/stop", id: "stopBench", tag: "acting", role: o, about: "Stop: each press opens at once; power with `safe: off` goes when the recorder's write window has passed", gives: of[Halted](), do: halt(HaltStop)},
		{method: post, path: "/api/v1/benches/{bench}/emergency", id: "emergencyStopBench", tag: "acting", role: o, about: "Emergency: everything is cut at once", gives: of[Halted](), do: halt(HaltEmergency)},
		{method: post, path: "/api/v1/runs/{run}/resume", id: "resumeRun", tag: "acting", role: o, about: "Go on with a soak that was interrupted or has ended early", takes: of[ResumeWish](), gives: of[Begun](), status: http.StatusCreated, do: (*Server).apiResume},
		{method: post, path: "/api/v1/runs/{run}/hold", id: "holdRun", tag: "acting", role: o, about: "Hold before the next cycle, the power as it is", gives: of[Asked](), status: http.StatusAccepted, do: wish(soak.WishToHold)},
		{method: post, path: "/api/v1/runs/{run}/go-on", id: "continueRun", tag: "acting", role: o, about: "Go on from a hold", gives: of[Asked](), status: http.StatusAccepted, do: wish(soak.WishGoOn)},
		{method: post, path: "/api/v1/runs/{run}/end", id: "endRun", tag: "acting", role: o, about: "End after this cycle", gives: of[Asked](), status: http.StatusAccepted, do: wish(soak.WishEnd)},

		{method: get, path: "/api/v1/runs", id: "listRuns", tag: "results", role: v, about: "Runs, the newest first", gives: of[RunList](), do: (*Server).apiRuns,
			query: []param{benchParam, {name: "kind", about: "of this kind", words: []string{"cycle", "soak", "sweep"}}, limitParam, cursorParam}},
		{method: get, path: "/api/v1/runs/{run}", id: "getRun", tag: "results", role: v, about: "One run", gives: of[Run](), do: (*Server).apiRun},
		{method: get, path: "/api/v1/runs/{run}/statistics", id: "getRunStatistics", tag: "results", role: v, about: "What a run's records come to. It reads all of them", gives: of[RunStatistics](), heavy: true, do: (*Server).apiStatistics},
		{method: get, path: "/api/v1/runs/{run}/series/{measurement}", id: "getRunSeries", tag: "results", role: v, about: "One measurement over the cycles of a run. It reads all records", gives: of[Series](), heavy: true, do: (*Server).apiSeries},
		{method: get, path: "/api/v1/runs/{run}/notes", id: "listRunNotes", tag: "results", role: v, about: "What people wrote to the cycles of a run", gives: of[NoteList](), do: (*Server).apiRunNotes},
		{method: get, path: "/api/v1/runs/{run}/report", id: "getRunReport", tag: "results", role: v, about: "The report of a run; docs/results.md says what is in each form. json is one record to a line", heavy: true, serve: (*Server).apiReport,
			query: []param{{name: "format", about: "its form; text if left out", words: []string{"text", "html", "json", "csv", "junit"}}},
			media: []string{"text/plain", "text/html", "application/jsonl", "text/csv", "application/xml"}},
		{method: get, path: "/api/v1/cycles", id: "listCycles", tag: "results", role: v, about: "Cycles, the newest first", gives: of[CycleList](), do: (*Server).apiCycles,
			query: []param{{name: "run", about: "of this run"}, benchParam, outcomes, limitParam, cursorParam}},
		{method: get, path: "/api/v1/cycles/{cycle}", id: "getRecord", tag: "results", role: v, about: "The record of a cycle: everything about it", gives: of[rig.Record](), do: (*Server).apiRecord},
		{method: get, path: "/api/v1/cycles/{cycle}/notes", id: "listCycleNotes", tag: "results", role: v, about: "What people wrote to a cycle", gives: of[NoteList](), do: (*Server).apiCycleNotes},
		{method: post, path: "/api/v1/cycles/{cycle}/notes", id: "addCycleNote", tag: "results", role: o, about: "Write something to a cycle, or acknowledge its error", takes: of[NewNote](), gives: of[Kept](), status: http.StatusCreated, do: (*Server).apiAddNote},
		{method: get, path: "/api/v1/cycles/{cycle}/artifacts", id: "listArtifacts", tag: "results", role: v, about: "The files of evidence of a cycle", gives: of[ArtifactList](), do: (*Server).apiArtifacts},
		{method: get, path: "/api/v1/cycles/{cycle}/artifacts/{artifact}", id: "getArtifact", tag: "results", role: v, about: "A file of evidence", media: []string{"application/octet-stream"}, serve: (*Server).apiArtifact,
			query: []param{{name: "download", about: "1: for saving", words: []string{"1"}}}},
		{method: get, path: "/api/v1/ledger", id: "followLedger", tag: "results", role: v, about: "The records committed after a number, in the order of their commits, of all runs. Whoever asks for what comes after the last number they have misses none", gives: of[LedgerPage](), do: (*Server).apiLedger,
			query: []param{{name: "after", about: "number of the last record that one has", most: math.MaxInt64}, limitParam}},
		{method: get, path: "/api/v1/audit", id: "listAudit", tag: "rig", role: v, about: "Who did what, the newest first", gives: of[AuditList](), do: (*Server).apiAudit,
			query: []param{{name: "before", about: "entries before this number; from the newest if left out", most: math.MaxInt64}, limitParam}},

		{method: get, path: "/api/v1/openapi.json", id: "getOpenAPI", tag: "rig", role: v, about: "This document", media: []string{"application/vnd.oai.openapi+json"}, serve: (*Server).apiDocument},
		{method: get, path: "/metrics", id: "getMetrics", tag: "operation", role: v, about: "For Prometheus", media: []string{"text/plain"}, serve: (*Server).serveMetrics},
		{method: get, path: "/healthz", id: "getHealth", tag: "operation", role: access.Nobody, about: "The process lives", gives: of[Health](), do: (*Server).apiHealth},
		{method: get, path: "/readyz", id: "getReadiness", tag: "operation", role: access.Nobody, about: "The results can be read and written, and the benches are loaded; 503 where not", gives: of[Readiness](), serve: (*Server).serveReady},
	}
}

// pathNames are the parameters of a path.
func pathNames(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok && !yield(strings.TrimSuffix(name, "}")) {
				return
			}
		}
	}
}
