package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/judge"
)

type judgeCmd struct {
	Counts      string `help:"CSV of bad events out of a total, one look a row: timestamp,control_requests,control_errors,candidate_requests,candidate_errors." placeholder:"FILE" xor:"input" required:""`
	Series      string `help:"CSV of samples of a gauge: timestamp,control,candidate." placeholder:"FILE" xor:"input" required:""`
	Histogram   string `help:"CSV of latency buckets: timestamp,control_le_0.005,...,control_le_inf,candidate_le_0.005,...,candidate_le_inf." placeholder:"FILE" xor:"input" required:""`
	BeforeAfter string `help:"CSV of one series without a control: timestamp,value." placeholder:"FILE" xor:"input" required:""`
	Pack        string `help:"A folder of many such files, listed in its index.json. Prints one line of JSON a case." placeholder:"DIR" xor:"input" required:""`
	DeployRow   int    `help:"The first row after the deploy, counted from 0. In the rows before it both arms run the old version." placeholder:"N"`
	FalseAlarms ratio  `help:"Chance that a healthy release fails, over all looks." default:"1%" placeholder:"PERCENT"`
	Margin      *ratio `help:"Relative change that is tolerated. Default: 2% of a rate, 3% of a gauge, 1% without a control." placeholder:"PERCENT"`
	Floor       *ratio `help:"Counts and histograms: rise of a share that is tolerated, in percentage points. By default what is seen must differ by 0.05 points." placeholder:"PERCENT"`
	Quantile    ratio  `help:"Histograms: report this quantile of both arms. A margin then is of latency." placeholder:"PERCENT"`
	Method      string `help:"Counts and series: sequential, or mann-whitney as Kayenta has it, without a promise of false alarms." enum:"sequential,mann-whitney" default:"sequential"`
	Direction   string `help:"Which change is a regression: increase, decrease or either." enum:"increase,decrease,either" default:"increase"`
}

// Run judges numbers from files.
func (c *judgeCmd) Run(s *ship) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	if c.Pack != "" {
		return c.pack(s.Stdout, inFolder(dir, c.Pack))
	}
	if c.Method == mannWhitney && c.Counts == "" && c.Series == "" {
		return usage{errors.New("--method mann-whitney is for --counts and --series")}
	}
	for _, in := range []struct{ kind, file string }{
		{"counts", c.Counts}, {"gauges", c.Series}, {"histograms", c.Histogram}, {"beforeafter", c.BeforeAfter},
	} {
		if in.file == "" {
			continue
		}
		f, err := os.Open(inFolder(dir, in.file))
		if err != nil {
			return usage{err}
		}
		defer f.Close()
		d, err := c.judge(f, judgeCase{Kind: in.kind, DeployRow: c.DeployRow})
		if err != nil {
			return usage{fmt.Errorf("%s: %w", in.file, err)}
		}
		return s.print(judged{d.Verdict.Verdict, d.At, d.Row, d.Reason, d.Early, d.Evidence})
	}
	return nil
}

// judged is what the command prints of one file.
type judged struct {
	Verdict  core.VerdictKind `json:"verdict"`
	At       string           `json:"at"` // timestamp at which it was decided
	Row      int              `json:"row"`
	Reason   string           `json:"reason"`
	Early    bool             `json:"early,omitempty"`
	Evidence judge.Evidence   `json:"evidence"`
}

// A judgeCase is what the index of a pack says of a case. It may say more; that is not read.
type judgeCase struct {
	Case        string `json:"case"`
	File        string `json:"file"`
	Kind        string `json:"kind"`
	StepSeconds int    `json:"step_seconds"`
	DeployRow   int    `json:"deploy_row"`
}

// pack judges every case of a folder, in the order of its index.
func (c *judgeCmd) pack(out io.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return usage{err}
	}
	defer root.Close()
	data, err := fs.ReadFile(root.FS(), "index.json")
	if err != nil {
		return usage{err}
	}
	var index struct {
		Cases []judgeCase `json:"cases"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return usage{fmt.Errorf("%s: %w", filepath.Join(dir, "index.json"), err)}
	}
	lines := bufio.NewWriter(out)
	encoder := json.NewEncoder(lines)
	encoder.SetEscapeHTML(false)
	for _, in := range index.Cases {
		line, err := c.judgeCase(root, in)
		if err != nil {
			return usage{fmt.Errorf("case %s: %w", in.Case, err)}
		}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return lines.Flush()
}

// packed is what the command prints of one case of a pack.
type packed struct {
	Case     string           `json:"case"`
	Verdict  core.VerdictKind `json:"verdict"` // pass or fail: at the end of a bake that shows no harm, a release goes on
	AtMinute int              `json:"at_minute"`
	Reason   string           `json:"reason"`
}

func (c *judgeCmd) judgeCase(root *os.Root, in judgeCase) (packed, error) {
	f, err := root.Open(filepath.FromSlash(in.File))
	if err != nil {
		return packed{}, err
	}
	defer f.Close()
	d, err := c.judge(f, in)
	if err != nil {
		return packed{}, fmt.Errorf("%s: %w", in.File, err)
	}
	line := packed{Case: in.Case, Verdict: core.Pass, AtMinute: max(0, d.Row-in.DeployRow+1), Reason: d.Reason}
	if d.Verdict.Verdict == core.Fail {
		line.Verdict = core.Fail
	}
	return line, nil
}

// judge reads a file and judges it.
func (c *judgeCmd) judge(r io.Reader, in judgeCase) (judge.Decision, error) {
	o := judge.Options{
		FalseAlarms: float64(c.FalseAlarms), Quantile: float64(c.Quantile), Direction: core.Direction(c.Direction),
		Margin: c.Margin.option(), Floor: c.Floor.option(),
	}
	if in.DeployRow < 0 {
		return judge.Decision{}, fmt.Errorf("the deploy row is %d; rows count from 0", in.DeployRow)
	}
	switch in.Kind {
	case "counts":
		rows, err := judge.ReadCounts(r)
		if c.Method == mannWhitney {
			return replayRanks(o, rows, judge.CountLook.Shares, in.DeployRow), err
		}
		return judge.Replay(judge.NewCounts(o), rows, in.DeployRow), err
	case "gauges":
		rows, err := judge.ReadGauge(r)
		if c.Method == mannWhitney {
			return replayRanks(o, rows, func(l judge.GaugeLook) judge.GaugeLook { return l }, in.DeployRow), err
		}
		return judge.Replay(judge.NewGauge(o), rows, in.DeployRow), err
	case "histograms":
		rows, edges, err := judge.ReadHistogram(r)
		if err != nil {
			return judge.Decision{}, err
		}
		return judge.Replay(judge.NewHistogram(o, edges), rows, in.DeployRow), nil
	case "beforeafter":
		rows, err := judge.ReadHistory(r)
		return judge.Replay(judge.NewHistory(o, perDay(in.StepSeconds, rows)), rows, in.DeployRow), err
	default:
		return judge.Decision{}, fmt.Errorf("%q is no kind of case; the kinds are counts, gauges, histograms and beforeafter", in.Kind)
	}
}

const mannWhitney = "mann-whitney"

// replayRanks judges rows by their ranks, as soon as there are enough of them.
func replayRanks[L any](o judge.Options, rows []judge.Row[L], sample func(L) judge.GaugeLook, deploy int) judge.Decision {
	samples := make([]judge.Row[judge.GaugeLook], len(rows))
	for i, r := range rows {
		samples[i] = judge.Row[judge.GaugeLook]{At: r.At, Look: sample(r.Look)}
	}
	return judge.Replay(judge.NewRanks(o, judge.MannWhitney{}), samples, deploy)
}

// perDay is how many looks there are in a day, by the step or else by the first two timestamps; 0 if that is not known.
func perDay(step int, rows []judge.Row[float64]) int {
	if step <= 0 && len(rows) > 1 {
		first, err1 := time.Parse(time.RFC3339, rows[0].At)
		second, err2 := time.Parse(time.RFC3339, rows[1].At)
		if err1 == nil && err2 == nil {
			step = int(second.Sub(first) / time.Second)
		}
	}
	if step <= 0 {
		return 0
	}
	return int(24*time.Hour/time.Second) / step
}

// inFolder is a path that a user gave, as seen from the working folder.
func inFolder(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// A ratio is a flag that is written as a percentage, 1%, or as a plain number, 0.01.
type ratio float64

// option is a ratio as the judge's options have it: 0 is the default, and less is none.
func (r *ratio) option() float64 {
	switch {
	case r == nil:
		return 0
	case *r == 0:
		return -1
	default:
		return float64(*r)
	}
}

// UnmarshalText reads a ratio.
func (r *ratio) UnmarshalText(text []byte) error {
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	x, err := strconv.ParseFloat(digits, 64)
	if isPercent {
		x /= 100
	}
	if err != nil || !(x >= 0 && x < 1) {
		return fmt.Errorf("%q is no ratio; write 1%% or 0.01", text)
	}
	*r = ratio(x)
	return nil
}
