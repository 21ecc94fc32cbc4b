package core

// Level says how much a finding matters.
type Level string

// The levels, the worst first.
const (
	LevelError   Level = "error"   // the plan does not protect anybody
	LevelWarning Level = "warning" // it protects less than it could
	LevelNote    Level = "note"    // worth a thought
)

// Levels lists every level, the worst first.
var Levels = []Level{LevelError, LevelWarning, LevelNote}

// A Practice is a rule of lint: something that a good plan does, and why.
type Practice struct {
	ID    string `json:"id"`   // never changes: BW001
	Name  string `json:"name"` // no-bake
	Level Level  `json:"level"`
	Title string `json:"title"` // what is wrong, of any plan
	Why   string `json:"why"`   // one sentence
	Do    string `json:"do"`    // what to do about it
	From  string `json:"from"`  // where the practice is written down
}

// A Finding is one place in which a plan does not follow a [Practice]. The plan is valid all the same.
type Finding struct {
	Rule        string  `json:"rule"` // [Practice.ID]
	Name        string  `json:"name"`
	Level       Level   `json:"level"`
	File        string  `json:"file"`
	Line        int     `json:"line"`
	Column      int     `json:"column"`
	What        string  `json:"what"` // one sentence: what is wrong with this plan
	Why         string  `json:"why"`
	Do          string  `json:"do"`
	From        string  `json:"from"`
	Fingerprint string  `json:"fingerprint"`      // the same after the lines of the plan have moved
	Waived      *Waiver `json:"waived,omitempty"` // nil: it counts
}

// A Waiver says that a plan does not follow a practice on purpose, and until when.
type Waiver struct {
	Rule  string `json:"rule" jsonschema_description:"Id of the lint rule that is waived, such as BW003."`
	Why   string `json:"why" jsonschema_description:"The reason, for those who read the plan."`
	Until Date   `json:"until" jsonschema_description:"The last day on which the waiver holds, such as 2027-03-01 (UTC)."`
}
