package store

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks the file as ours: "RSTR".
const applicationID = 0x52535452

// migrations[i] leads from format i to i+1. An entry that was released is
// never changed; a new one is added.
var migrations = [...]string{`
CREATE TABLE runs (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL UNIQUE CHECK (id <> ''),
	kind     TEXT NOT NULL,
	bench    TEXT NOT NULL,
	scenario TEXT NOT NULL,
	planned  INTEGER NOT NULL,
	started  TEXT NOT NULL,
	version  TEXT NOT NULL,
	frozen   TEXT NOT NULL,
	ended    TEXT,
	exit     INTEGER,
	note     TEXT NOT NULL DEFAULT ''
) STRICT;

-- Every cycle begun. One without a record is running, or was interrupted.
CREATE TABLE cycles (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL UNIQUE CHECK (id <> ''),
	run      INTEGER NOT NULL REFERENCES runs(seq),
	n        INTEGER NOT NULL,
	attempt  INTEGER NOT NULL,
	control  INTEGER NOT NULL,
	scenario TEXT NOT NULL,
	started  TEXT NOT NULL,
	UNIQUE (run, control, n, attempt)
) STRICT;

-- The columns of a record; its whole text is in bodies, apart, so that counting stays quick.
CREATE TABLE records (
	cycle       INTEGER PRIMARY KEY REFERENCES cycles(seq),
	outcome     TEXT NOT NULL CHECK (outcome IN ('pass', 'fail', 'error', 'aborted')),
	attribution TEXT NOT NULL,
	reason      TEXT NOT NULL,
	bench       TEXT NOT NULL,
	scenario    TEXT NOT NULL,
	took_ns     INTEGER NOT NULL,
	unsafe      INTEGER NOT NULL
) STRICT;
CREATE TABLE bodies (
	cycle INTEGER PRIMARY KEY REFERENCES records(cycle),
	sum   INTEGER NOT NULL, -- CRC-32C of json
	json  TEXT NOT NULL
) STRICT;
CREATE TABLE measurements (
	cycle   INTEGER NOT NULL REFERENCES records(cycle),
	i       INTEGER NOT NULL,
	name    TEXT NOT NULL,
	value   REAL NOT NULL,
	unit    TEXT NOT NULL,
	min     REAL,
	max     REAL,
	outcome TEXT NOT NULL,
	PRIMARY KEY (cycle, i)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER records_stay BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER records_keep BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END;
CREATE TRIGGER bodies_stay BEFORE UPDATE ON bodies BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER bodies_keep BEFORE DELETE ON bodies BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END;

CREATE TABLE life (
	bench      TEXT NOT NULL,
	relay      TEXT NOT NULL,
	operations INTEGER NOT NULL,
	PRIMARY KEY (bench, relay)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
	dut TEXT NOT NULL,
	at  INTEGER NOT NULL -- nanoseconds since 1970, of the bench's clock
) STRICT;
CREATE INDEX refusals_dut ON refusals (dut, at);
`, `
ALTER TABLE runs ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';

-- Where a cycle that is running has come to: what is known of it if its process dies.
ALTER TABLE cycles ADD COLUMN elapsed_ns INTEGER NOT NULL DEFAULT 0; -- of the soak, without its interruptions
ALTER TABLE cycles ADD COLUMN phase TEXT NOT NULL DEFAULT '';
ALTER TABLE cycles ADD COLUMN operations TEXT NOT NULL DEFAULT '{}';

-- Records from this format on: their text is deflated. Those in bodies stay there.
CREATE TABLE packed (
	cycle INTEGER PRIMARY KEY REFERENCES records(cycle),
	sum   INTEGER NOT NULL, -- CRC-32C of the text
	text  BLOB NOT NULL
) STRICT;
CREATE TRIGGER packed_stay BEFORE UPDATE ON packed BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER packed_keep BEFORE DELETE ON packed BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END;

-- A refusal also carries the boot that it happened in and that boot's time since its
-- start, suspended time included: a wall clock that jumps frees nothing early.
ALTER TABLE refusals ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE refusals ADD COLUMN boot_ns INTEGER NOT NULL DEFAULT 0;

-- What has to be told to the outside, until it was.
CREATE TABLE outbox (
	seq   INTEGER PRIMARY KEY AUTOINCREMENT,
	run   TEXT NOT NULL,
	kind  TEXT NOT NULL,
	at    TEXT NOT NULL,
	body  TEXT NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0,
	done  TEXT, -- when it was delivered, or given up
	note  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outbox_waiting ON outbox (seq) WHERE done IS NULL;

-- What a person asks of a running soak.
CREATE TABLE requests (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	run  INTEGER NOT NULL REFERENCES runs(seq),
	what TEXT NOT NULL,
	at   TEXT NOT NULL,
	done TEXT
) STRICT;
CREATE INDEX requests_waiting ON requests (run) WHERE done IS NULL;
`, `
-- The order in which records were committed, across runs. A trigger numbers them:
-- a program of the format before, which may still be writing, does so too.
CREATE TABLE commits (
	seq   INTEGER PRIMARY KEY AUTOINCREMENT,
	cycle INTEGER NOT NULL UNIQUE REFERENCES records(cycle)
) STRICT;
INSERT INTO commits (cycle) SELECT cycle FROM records ORDER BY cycle;
CREATE TRIGGER records_number AFTER INSERT ON records BEGIN INSERT INTO commits (cycle) VALUES (new.cycle); END;

-- Who did what, and what came of it.
CREATE TABLE audit (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	at      TEXT NOT NULL,
	who     TEXT NOT NULL,
	role    TEXT NOT NULL,
	address TEXT NOT NULL,
	action  TEXT NOT NULL CHECK (action <> ''),
	bench   TEXT NOT NULL,
	run     TEXT NOT NULL,
	cycle   TEXT NOT NULL,
	detail  TEXT NOT NULL,
	result  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_run ON audit (run, seq) WHERE run <> '';
CREATE INDEX audit_bench ON audit (bench, seq) WHERE bench <> '';
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is never changed'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is never deleted'); END;

-- What people said of a cycle, by its ID. It stands beside the record, which says nothing of it.
CREATE TABLE comments (
	seq   INTEGER PRIMARY KEY AUTOINCREMENT,
	cycle TEXT NOT NULL CHECK (cycle <> ''),
	at    TEXT NOT NULL,
	who   TEXT NOT NULL,
	kind  TEXT NOT NULL CHECK (kind IN ('comment', 'acknowledged')),
	text  TEXT NOT NULL
) STRICT;
CREATE INDEX comments_cycle ON comments (cycle, seq);
CREATE TRIGGER comments_stay BEFORE UPDATE ON comments BEGIN SELECT RAISE(ABORT, 'a comment is never changed'); END;
CREATE TRIGGER comments_keep BEFORE DELETE ON comments BEGIN SELECT RAISE(ABORT, 'a comment is never deleted'); END;

-- Which file of a cycle's evidence is which content.
CREATE TABLE artifacts (
	cycle  INTEGER NOT NULL REFERENCES cycles(seq),
	name   TEXT NOT NULL CHECK (name <> ''),
	sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
	bytes  INTEGER NOT NULL CHECK (bytes >= 0),
	gone   TEXT NOT NULL DEFAULT '', -- when it was dropped to make room; '' while it is kept
	PRIMARY KEY (cycle, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_kept ON artifacts (sha256, bytes) WHERE gone = '';
ALTER TABLE cycles ADD COLUMN exported TEXT NOT NULL DEFAULT ''; -- when its evidence was copied to elsewhere
`}

// migrate brings the database to this program's format, all or nothing. A
// newer format is refused with nothing written.
func migrate(ctx context.Context, db *sql.DB) error {
	have, err := format(ctx, db)
	if err != nil || have == len(migrations) {
		return err
	}
	tx, err := db.BeginTx(ctx, nil) // immediate: nobody else migrates meanwhile
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if have, err = format(ctx, tx); err != nil {
		return err
	}
	for i := have; i < len(migrations); i++ {
		if _, err := tx.ExecContext(ctx, migrations[i]); err != nil {
			return fmt.Errorf("bring format %d to %d: %w", i, i+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations))); err != nil {
		return err
	}
	return tx.Commit()
}

// format is the database's format; ErrNewer above this program's.
func format(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
},
) (have int, err error) {
	if err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return 0, err
	}
	if have > len(migrations) {
		return have, fmt.Errorf("%w: its format is %d, this program knows up to %d. Nothing was changed; "+
			"update resetrig, or name another database", ErrNewer, have, len(migrations))
	}
	return have, nil
}
