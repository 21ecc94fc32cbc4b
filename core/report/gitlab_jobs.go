package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	// GitLabDeploy is the hidden job of the user's that says how a target is acted on.
	GitLabDeploy = ".breakwater-deploy"

	gitlabActs = ".breakwater-acts"
	actsFile   = "breakwater-acts.txt"
	backFile   = "breakwater-rollback.yml"

	// stageBack and stageEnd have names that no wave can have.
	stageBack = "roll back"
	stageEnd  = "rolled back"

	// gitlabMatrix is how many jobs a matrix has at most.
	gitlabMatrix = 200
)

// stageOfBake is the stage in which a wave bakes that jobs have deployed. It is one of its own, because what comes after
// many jobs must wait for their stage: GitLab lets a job need 50 others, and counts each of a matrix.
func stageOfBake(wave string) string { return wave + ": bake" }

// A gitlabAct is a job for each of some targets of a wave. It is the user's, with a beginning of ours.
type gitlabAct struct {
	Extends       []string        `yaml:"extends,flow"`
	Stage         string          `yaml:"stage"`
	Needs         *[]gitlabNeed   `yaml:"needs,flow,omitempty"`
	Dependencies  *[]string       `yaml:"dependencies,flow,omitempty"`
	AllowFailure  bool            `yaml:"allow_failure"`
	Timeout       string          `yaml:"timeout"`
	ResourceGroup string          `yaml:"resource_group,omitempty"`
	Variables     gitlabVariables `yaml:"variables,flow,omitempty"`
	Parallel      gitlabParallel  `yaml:"parallel"`
	Script        []*yaml.Node    `yaml:"script,flow"`
}

type gitlabParallel struct {
	Matrix []gitlabTargets `yaml:"matrix"`
}

// gitlabTargets are one key of a matrix: with a second one, its values would be part of the jobs' names.
type gitlabTargets struct {
	Target []string `yaml:"BREAKWATER_TARGET,flow"`
}

// gitlabGuard is what all jobs that act on targets begin with.
type gitlabGuard struct {
	Image         *gitlabImage    `yaml:"image,omitempty"`
	Variables     gitlabVariables `yaml:"variables"`
	Interruptible bool            `yaml:"interruptible"`
	Script        []string        `yaml:"script"`
}

type gitlabFiles struct {
	Paths []string `yaml:"paths,flow"`
}

// A gitlabTrigger is a job that runs a pipeline which an earlier job has written.
type gitlabTrigger struct {
	Stage   string   `yaml:"stage"`
	Needs   []string `yaml:"needs,flow"`
	Trigger struct {
		Include  []gitlabArtifact `yaml:"include,flow"`
		Strategy string           `yaml:"strategy"`
		Forward  struct {
			YAML     bool `yaml:"yaml_variables"`
			Pipeline bool `yaml:"pipeline_variables"`
		} `yaml:"forward,flow"`
	} `yaml:"trigger"`
}

type gitlabArtifact struct {
	Artifact string `yaml:"artifact"`
	Job      string `yaml:"job"`
}

// goesBack reports whether jobs of a pipeline of their own put the previous version back.
func (c Child) goesBack() bool { return c.Plan.RevertedByJobs() && len(c.Plan.Rollback.When) > 0 }

// BaseOfJobs is what jobs of a matrix are called in a plan that calls each "NAME ({target})".
func BaseOfJobs(name string) (string, error) {
	base, ok := strings.CutSuffix(name, " ("+core.JobTarget+")")
	if !ok || base == "" || strings.ContainsAny(base, ":[](){}/\n\r") {
		return "", fmt.Errorf("the plan calls a job %q, and a job of a matrix of GitLab's has its target at the end: call it NAME (%s)", name, core.JobTarget)
	}
	return base, nil
}

func (c Child) base(back bool) string {
	named, ok := c.Plan.Deploy.Options.(*core.Jobs)
	if !ok {
		return ""
	}
	name := named.Deploy
	if back {
		name = named.Rollback
	}
	base, _ := BaseOfJobs(name) // whoever made the child has looked at it
	return base
}

// guard is what keeps a job from acting on a target before the ledger says so. What was announced, and up to which job, is
// in a file of the job that announced it; a job that was created later was run again, so it has again announced what is
// left to do. A target that is not in the file has nothing done to it: it is out, or back, already.
func (c Child) guard(announce string) gitlabGuard {
	fill := strings.NewReplacer("FILE", actsFile, "ANNOUNCE", announce)
	return gitlabGuard{Image: c.image(), Variables: c.common().Variables, Script: []string{fill.Replace(`read -r breakwater_newest <FILE
[ "$CI_JOB_ID" -le "$breakwater_newest" ] || ANNOUNCE --acts FILE || exit $?
breakwater_act=
while IFS= read -r breakwater_line; do
  case $breakwater_line in
  "$BREAKWATER_TARGET "*) export "${breakwater_line#* }" && breakwater_act=yes ;;
  esac
done <FILE
if [ -z "$breakwater_act" ]; then
  echo "Nothing to do: the ledger does not say that anything is to be done to $BREAKWATER_TARGET."
  exit 0
fi
`)}}
}

// around are the jobs of a wave that jobs of the pipeline deploy: one that announces it, one for each target, and in the next
// stage those that learn what became of it, look at the bake and give the verdict. A job that has failed on its target does
// not hold the others up: how many of those a wave may have is for the verdict to say.
func (c Child) around(wave int) []namedJob {
	w, bake := c.Waves[wave], c.Plan.Waves[c.Waves[wave].Rule].Bake
	start, name := c.chained(w.Name, fmt.Sprintf("breakwater start --wave %d --max-waves %d --acts %s", wave+1, len(c.Waves), actsFile), 0), w.Name+": start"
	start.Artifacts = &gitlabFiles{[]string{"breakwater-report.md", actsFile}}
	start.Needs = &[]gitlabNeed{}
	if c.Plan.Windows != nil {
		start.Timeout = minutes(gitlabLongest) // it may wait for its window
	}
	if wave > 0 {
		start.Needs = &[]gitlabNeed{{Job: c.Waves[wave-1].Name + ": verdict"}}
		start.Script[0] += " --resume"
	}
	all := []namedJob{{name, start}}
	var names []string
	for _, t := range w.Targets {
		names = append(names, t.Name)
	}
	for _, a := range c.acts(w.Name, names, c.Plan.Deploy.Parallel.Of(len(names), 1), false) {
		a.gitlabAct.Needs = &[]gitlabNeed{{Job: name, Artifacts: true}}
		a.gitlabAct.Variables = gitlabVariables{"BREAKWATER_NUMBER": {Value: fmt.Sprint(wave + 1)}}
		all = append(all, namedJob{a.name, a.gitlabAct})
	}
	var last time.Duration
	before := ""
	add := func(name, wait string, at, takes time.Duration) {
		j := c.chained(stageOfBake(w.Name), fmt.Sprintf("breakwater bake --wave %d --wait %s", wave+1, wait), takes)
		if before == "" {
			j.Dependencies = &[]string{}
		} else {
			j.Needs = &[]gitlabNeed{{Job: before}}
		}
		if at > last {
			j.When, j.StartIn, last = "delayed", delay(at-last), at
		}
		before = w.Name + ": " + name
		all = append(all, namedJob{before, j})
	}
	back := c.allBack(wave)
	if bake.Min >= time.Second {
		add("bake", "leave", 0, back)
		for _, at := range looks(bake) {
			add("look "+core.Brief(at), "leave", at, back)
		}
	}
	add("verdict", "inline", bake.Min, bake.Max-bake.Min+back)
	return all
}

// chained is a job that runs Breakwater. It makes no deployment: the jobs that deploy do, if they say so.
func (c Child) chained(stage, command string, takes time.Duration) gitlabJob {
	return gitlabJob{Extends: gitlabBase, Stage: stage, Timeout: minutes(takes), Environment: &gitlabEnvironment{c.Environment, "verify"}, Script: []string{command}}
}

type namedAct struct {
	name string
	gitlabAct
}

// acts are the jobs for targets of a wave. GitLab does not limit how many of a matrix run at a time, but lets one job of a
// resource group run: so each of those that may run beside each other has a group and a matrix of its own.
func (c Child) acts(wave string, targets []string, parallel int, back bool) []namedAct {
	lanes, timeout := max(1, parallel), c.Plan.Deploy.Timeout
	if back {
		timeout = c.Plan.Rollback.Timeout
	}
	free := lanes >= len(targets)
	if free {
		lanes = 1
	}
	var all []namedAct
	for lane := range lanes {
		var mine []string
		for i := lane; i < len(targets); i += lanes {
			mine = append(mine, targets[i])
		}
		for some := range slices.Chunk(mine, gitlabMatrix) {
			a := gitlabAct{Extends: []string{gitlabActs, GitLabDeploy}, Stage: wave, AllowFailure: true, Timeout: timely(timeout),
				Parallel: gitlabParallel{[]gitlabTargets{{some}}}, Script: []*yaml.Node{reference(gitlabActs), reference(GitLabDeploy)}}
			if !free {
				a.ResourceGroup = fmt.Sprintf("%s/%d", c.Plan.Line(), lane+1)
			}
			all = append(all, namedAct{gitlabAct: a})
		}
	}
	for i := range all {
		all[i].name = wave + ": " + c.base(back)
		if len(all) > 1 {
			all[i].name = fmt.Sprintf("%s %d: %s", wave, i+1, c.base(back))
		}
	}
	return all
}

// reference is the script of another job. What else that job has comes by extends.
func reference(job string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!reference", Style: yaml.FlowStyle | yaml.TaggedStyle}
	for _, key := range []string{job, "script"} {
		k := new(yaml.Node)
		k.SetString(key)
		n.Content = append(n.Content, k)
	}
	return n
}

// timely is the timeout of a job that acts on one target.
func timely(d time.Duration) string {
	return fmt.Sprintf("%d minutes", max(1, (d+time.Minute-1)/time.Minute))
}

// back are the jobs that come after whatever has failed: one that writes the pipeline of what goes back, which only the ledger
// knows, and one that runs it.
func (c Child) back() []namedJob {
	j := c.chained(stageBack, "breakwater rollback --child "+backFile, 0)
	j.When, j.Dependencies = "on_failure", &[]string{}
	j.Artifacts = &gitlabFiles{[]string{"breakwater-report.md", backFile}}
	j.Variables = gitlabVariables{"BREAKWATER_ENVIRONMENT": {Value: c.Environment}, "BREAKWATER_IMAGE": {Value: c.Image}, "BREAKWATER_INCLUDE": {Value: c.Include}}
	for name, value := range c.Variables {
		j.Variables[strings.Replace(name, "BREAKWATER_", "BREAKWATER_CHILD_", 1)] = gitlabVariable{Value: value}
	}
	t := gitlabTrigger{Stage: stageBack, Needs: []string{"rollback"}}
	t.Trigger.Include = []gitlabArtifact{{backFile, "rollback"}}
	t.Trigger.Strategy, t.Trigger.Forward.Pipeline = "depend", true
	return []namedJob{{"rollback", j}, {"put-back", t}}
}

// GitLabBack writes the pipeline that puts back what goes back of a rollout, the newest wave first: a job that announces it,
// one for each target, and one that tells what became of it. If nothing goes back, as after a halt, its one job says so; a
// pipeline must have one.
func GitLabBack(w io.Writer, c Child, r *core.Rollout) error {
	var p gitlabPipeline
	if r != nil { // whichever commit this one is of
		variables := maps.Collect(maps.All(c.Variables))
		variables["BREAKWATER_VERSION"] = r.Start.Version
		c.Variables = variables
	}
	stages, jobs := []string{stageBack}, []namedJob{}
	for _, wave := range slices.Backward(wavesOf(r)) {
		var names []string
		for _, t := range slices.Backward(wave.Targets) {
			if t.InScope && t.State != core.TargetRolledBack {
				names = append(names, t.Name)
			}
		}
		if names == nil {
			continue
		}
		stages = append(stages, wave.Name)
		for _, a := range c.acts(wave.Name, names, c.Plan.Rollback.Parallel.Of(len(wave.Targets), 1), true) {
			a.gitlabAct.Dependencies = &[]string{"announce"}
			jobs = append(jobs, namedJob{a.name, a.gitlabAct})
		}
	}
	announce := c.chained(stageBack, "breakwater rollback --acts "+actsFile, 0)
	announce.Artifacts = &gitlabFiles{[]string{"breakwater-report.md", actsFile}}
	first := namedJob{"announce", announce}
	if len(jobs) == 0 {
		announce.Script = []string{"echo Nothing goes back."}
		first = namedJob{"nothing-goes-back", announce}
	} else {
		end := c.chained(stageEnd, "breakwater bake --wait inline", c.Plan.Rollback.Verify)
		end.Dependencies = &[]string{}
		stages, jobs = append(stages, stageEnd), append(jobs, namedJob{"rolled-back", end})
	}
	if err := p.begin(c, stages); err != nil {
		return err
	}
	if err := put(&p.all, gitlabActs, c.guard("breakwater rollback")); err != nil {
		return err
	}
	if err := p.add(append([]namedJob{first}, jobs...)...); err != nil {
		return err
	}
	return p.write(w, fmt.Sprintf("Written by breakwater rollback for %s. Jobs: %d.", c.Plan.Line(), p.jobs))
}

// wavesOf are the waves of a rollout, if there is one.
func wavesOf(r *core.Rollout) []core.Wave {
	if r == nil {
		return nil
	}
	return r.Waves
}
