package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// A Child is what a child pipeline of GitLab is made of: for each wave a stage, with a job that deploys, jobs that look at
// the bake, and one that gives the verdict.
type Child struct {
	Plan        *core.Plan
	File        string // of the plan
	Waves       []core.StartWave
	Environment string
	Include     string // a file of the repository that has what the jobs have in common; empty: there is none
	Image       string // empty: that of the runner
	Variables   map[string]string
}

// A gitlabJob is one job. All of them run the same command: how far a job goes is for the ledger to say, so one that comes
// late, twice or not at all changes when something happens, and never what.
type gitlabJob struct {
	Extends      string             `yaml:"extends"`
	Stage        string             `yaml:"stage"`
	Needs        *[]gitlabNeed      `yaml:"needs,flow,omitempty"` // nil: all of the stages before
	Dependencies *[]string          `yaml:"dependencies,flow,omitempty"`
	When         string             `yaml:"when,omitempty"`
	StartIn      string             `yaml:"start_in,omitempty"`
	Timeout      string             `yaml:"timeout"`
	Environment  *gitlabEnvironment `yaml:"environment,flow"`
	Variables    gitlabVariables    `yaml:"variables,omitempty"`
	Artifacts    *gitlabFiles       `yaml:"artifacts,flow,omitempty"`
	Script       []string           `yaml:"script,flow"`
}

// A gitlabNeed is a job that goes before. Its outputs are not taken over: they would be flags of the next command.
type gitlabNeed struct {
	Job       string `yaml:"job"`
	Artifacts bool   `yaml:"artifacts"`
}

type gitlabEnvironment struct {
	Name   string `yaml:"name"`
	Action string `yaml:"action"`
}

// gitlabCommon is what the jobs have in common.
type gitlabCommon struct {
	Image         *gitlabImage    `yaml:"image,omitempty"`
	Variables     gitlabVariables `yaml:"variables"`
	Interruptible bool            `yaml:"interruptible"`
	Retry         gitlabRetry     `yaml:"retry"`
	Artifacts     gitlabArtifacts `yaml:"artifacts"`
}

type gitlabVariables map[string]gitlabVariable

// A gitlabImage is run with its shell, whatever it runs by itself.
type gitlabImage struct {
	Name       string   `yaml:"name"`
	Entrypoint []string `yaml:"entrypoint,flow"`
}

// A gitlabVariable has its last value: what it names was put in before.
type gitlabVariable struct {
	Value  string `yaml:"value"`
	Expand bool   `yaml:"expand"`
}

type gitlabRetry struct {
	Max  int      `yaml:"max"`
	When []string `yaml:"when,flow"`
}

type gitlabArtifacts struct {
	When    string            `yaml:"when"`
	Paths   []string          `yaml:"paths,flow"`
	Reports map[string]string `yaml:"reports"`
}

const (
	gitlabBase = ".breakwater"

	// gitlabLonger is the longest time between two looks of a bake of a day or less; a longer bake gets as many looks.
	gitlabLonger = time.Hour
	gitlabLooks  = 24

	// gitlabShortest and gitlabLongest are between what a job's timeout is: GitLab has its own most, and so has a runner.
	gitlabShortest = time.Hour
	gitlabLongest  = 24 * time.Hour
)

// GitLab writes a child pipeline.
//
// The jobs of a wave are a chain, each needing the one before, and the next wave needs the verdict. So a job that fails, after
// a halt or a rollback, keeps all after it from running, and its retry lets them go on. Jobs that look are delayed, and hold
// no runner until their moment. They are spread over the shortest bake only: a pipeline cannot leave a delayed job out once
// the bake has passed, so one that is there for a bake that extends itself would hold up every one that does not. The job
// with the verdict waits instead, with its runner, for as long as the bake extends itself.
//
// The jobs of the last wave are not told where to stop: should the waves have changed since the pipeline was written, the
// rollout is still taken to its end.
//
// Where jobs of the pipeline deploy, the chain is another one, see [Child.around].
func GitLab(w io.Writer, c Child) error {
	var p gitlabPipeline
	if err := p.begin(c, c.stages()); err != nil {
		return err
	}
	if c.Plan.DeployedByJobs() {
		if err := put(&p.all, gitlabActs, c.guard(`breakwater start --resume --wave "$BREAKWATER_NUMBER"`)); err != nil {
			return err
		}
	}
	before := []gitlabNeed{}
	for i := range c.Waves {
		if c.Plan.DeployedByJobs() {
			if err := p.add(c.around(i)...); err != nil {
				return err
			}
			continue
		}
		for _, j := range c.jobs(i) {
			j.Needs = &before
			if err := p.add(namedJob{j.name, j.gitlabJob}); err != nil {
				return err
			}
			before = []gitlabNeed{{Job: j.name}}
		}
	}
	if c.goesBack() {
		if err := p.add(c.back()...); err != nil {
			return err
		}
	}
	return p.write(w, fmt.Sprintf("Written by breakwater plan --format gitlab for %s. Waves: %d, jobs: %d.", c.Plan.Line(), len(c.Waves), p.jobs))
}

// stages are those of the pipeline, in order.
func (c Child) stages() (all []string) {
	for _, w := range c.Waves {
		all = append(all, w.Name)
		if c.Plan.DeployedByJobs() {
			all = append(all, stageOfBake(w.Name))
		}
	}
	if c.goesBack() {
		all = append(all, stageBack)
	}
	return all
}

// A gitlabPipeline is one that is being written.
type gitlabPipeline struct {
	all  yaml.Node
	jobs int
}

// begin writes what comes before the jobs.
func (p *gitlabPipeline) begin(c Child, stages []string) error {
	p.all.Kind = yaml.MappingNode
	if c.Include != "" {
		if err := put(&p.all, "include", []map[string]string{{"local": "/" + strings.TrimPrefix(c.Include, "/")}}); err != nil {
			return err
		}
	}
	if err := put(&p.all, "stages", stages); err != nil {
		return err
	}
	return put(&p.all, gitlabBase, c.common())
}

// add writes jobs, of one or of several targets each.
func (p *gitlabPipeline) add(jobs ...namedJob) error {
	for _, j := range jobs {
		if err := put(&p.all, j.name, j.job); err != nil {
			return err
		}
		p.jobs++
		if a, ok := j.job.(gitlabAct); ok {
			p.jobs += len(a.Parallel.Matrix[0].Target) - 1
		}
	}
	return nil
}

func (p *gitlabPipeline) write(w io.Writer, comment string) error {
	p.all.HeadComment = comment
	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := e.Encode(&p.all); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}

// put adds a key to a mapping: in an order, which a map has not.
func put(mapping *yaml.Node, key string, value any) error {
	k, v := new(yaml.Node), new(yaml.Node)
	k.SetString(key)
	if err := v.Encode(value); err != nil {
		return err
	}
	mapping.Content = append(mapping.Content, k, v)
	return nil
}

func (c Child) common() gitlabCommon {
	common := gitlabCommon{
		Variables: make(gitlabVariables),
		// Of what is no fault of the release. The next job goes on from where the ledger says.
		Retry: gitlabRetry{Max: 2, When: []string{"runner_system_failure", "scheduler_failure", "stuck_or_timeout_failure", "job_execution_timeout"}},
		Artifacts: gitlabArtifacts{When: "always", Paths: []string{"breakwater-report.md"},
			Reports: map[string]string{"dotenv": "breakwater.env", "annotations": "breakwater-annotations.json", "junit": "breakwater-junit.xml"}},
	}
	common.Image = c.image()
	for name, value := range c.Variables {
		common.Variables[name] = gitlabVariable{Value: value}
	}
	common.Variables["BREAKWATER_PLAN"] = gitlabVariable{Value: c.File}
	return common
}

func (c Child) image() *gitlabImage {
	if c.Image == "" {
		return nil
	}
	return &gitlabImage{Name: c.Image, Entrypoint: []string{""}}
}

// A namedJob is one of any kind.
type namedJob struct {
	name string
	job  any
}

// A chainedJob is one that runs Breakwater.
type chainedJob struct {
	name string
	gitlabJob
}

// jobs are those of a wave, in order.
func (c Child) jobs(wave int) []chainedJob {
	w, bake := c.Waves[wave], c.Plan.Waves[c.Waves[wave].Rule].Bake
	job := func(name, action, wait string, in, takes time.Duration) chainedJob {
		j := chainedJob{w.Name + ": " + name, gitlabJob{
			Extends: gitlabBase, Stage: w.Name, Timeout: minutes(takes + c.allBack(wave)),
			Environment: &gitlabEnvironment{c.Environment, action}, Script: []string{c.command(wave, wait, wave > 0 || action != "start")},
		}}
		if in > 0 {
			j.When, j.StartIn = "delayed", delay(in)
		}
		return j
	}
	forth := rounds(len(w.Targets), c.Plan.Deploy.Parallel, c.Plan.Deploy.Timeout)
	if bake.Min < time.Second {
		return []chainedJob{job("deploy", "start", "inline", 0, forth+bake.Max)}
	}
	all, last := []chainedJob{job("deploy", "start", "leave", 0, forth)}, time.Duration(0)
	for _, at := range looks(bake) {
		all, last = append(all, job("look "+core.Brief(at), "verify", "leave", at-last, 0)), at
	}
	return append(all, job("verdict", "verify", "inline", bake.Min-last, bake.Max-bake.Min))
}

// command is what a job runs. Nothing but a number that was counted here is in it. Only the first job may begin a rollout:
// one that is run again after a rollback must not.
func (c Child) command(wave int, wait string, resume bool) string {
	command := "breakwater run --wait " + wait
	if resume {
		command += " --resume"
	}
	if wave < len(c.Waves)-1 {
		command += fmt.Sprintf(" --through %d", wave+1)
	}
	return command
}

// looks are when jobs look at a bake, before its shortest end: after an eighth, a quarter and a half, because most of what is
// wrong shows early, but at least once an hour; and never more often than the plan looks itself.
func looks(bake core.Bake) []time.Duration {
	unit := time.Second
	if bake.Min >= 10*time.Minute {
		unit = time.Minute
	}
	longest := max(gitlabLonger, bake.Min/gitlabLooks)
	var all []time.Duration
	for at, last := bake.Min/8, time.Duration(0); at < bake.Min; at = min(2*at, at+longest) {
		if moment := at.Truncate(unit); moment-last >= max(bake.Every, unit) && bake.Min-moment >= unit {
			all, last = append(all, moment), moment
		}
	}
	return all
}

// allBack is how long it may take to put everything back that is out with a wave.
func (c Child) allBack(wave int) (long time.Duration) {
	for _, w := range c.Waves[:wave+1] {
		long += rounds(len(w.Targets), c.Plan.Rollback.Parallel, c.Plan.Rollback.Timeout)
	}
	return long + c.Plan.Rollback.Verify
}

// rounds is how long acts on targets may take, so many at a time.
func rounds(targets int, parallel core.Amount, timeout time.Duration) time.Duration {
	at := max(1, parallel.Of(targets, 1))
	return time.Duration((targets+at-1)/at) * timeout
}

// minutes is a job's timeout.
func minutes(d time.Duration) string {
	d = min(max(d+10*time.Minute, gitlabShortest), gitlabLongest)
	return fmt.Sprintf("%d minutes", (d+time.Minute-1)/time.Minute)
}

// delay is how long a job waits without a runner, as GitLab reads it: at most a week.
func delay(d time.Duration) string {
	d = min(d, 7*24*time.Hour)
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", max(1, (d+time.Second-1)/time.Second))
}
