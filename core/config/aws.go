package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// The forms of what names things on AWS. In each of them what an act is about may stand, see [core.Act.Fill].
const (
	actForm          = `\{\{(target|version|labels\.[A-Za-z_][A-Za-z0-9_]*)\}\}`
	fillForm         = `^([^{]|\{[^{]|` + actForm + `)*\{?$`
	regionForm       = `^([a-z0-9-]|` + actForm + `)+$`
	roleForm         = `^(arn:aws[a-z-]*:iam::([0-9]{12}|` + actForm + `):role/([^{]|` + actForm + `)+|` + actForm + `)$`
	accountForm      = `^([0-9]{12}|` + actForm + `)$`
	imageForm        = `^([^{]|` + actForm + `)*\{\{version\}\}([^{]|` + actForm + `)*$`
	stageForm        = `^[A-Za-z0-9.@_-]+$`
	buildProjectForm = `^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$`
	executionForm    = `^[A-Za-z0-9@_-]+$`
	valueForm        = `^([^{]|\{[^{]|` + actForm + `)+\{?$`
	takenForm        = `^(BREAKWATER|CODEBUILD)_`
	stepForm         = `^[0-9]{1,2}(\.[0-9]+)?%$`
)

// filledBy is what every one of them says.
const filledBy = "; {{target}}, {{version}} and {{labels.NAME}} are filled in"

var (
	fillRule    = formRule(fillForm, "a text"+filledBy)
	regionRule  = formRule(regionForm, "a region such as eu-west-1"+filledBy)
	roleRule    = formRule(roleForm, "the ARN of a role, such as arn:aws:iam::123456789012:role/deploy"+filledBy)
	accountRule = formRule(accountForm, "the 12 digits of an account"+filledBy)
	imageRule   = formRule(imageForm, "an image with {{version}} in it; {{target}} and {{labels.NAME}} are filled in too")
	portRule    = rule{
		want:   "a port from 1 to 65535",
		ok:     func(v reflect.Value) bool { return v.Int() >= 1 && v.Int() <= 65535 },
		schema: func(s *jsonschema.Schema) { s.Minimum, s.Maximum = "1", "65535" },
	}
	minutesRule = rule{
		want: "whole minutes, 1m or more",
		ok: func(v reflect.Value) bool {
			d := v.Interface().(time.Duration)
			return d > 0 && d%time.Minute == 0
		},
		schema: someTime.schema,
	}
	buildEnvRule = filledRule(fillForm, "texts", rule{
		want: "a name of letters, digits and underscore, beginning with none of a digit, BREAKWATER_ and CODEBUILD_",
		ok: func(v reflect.Value) bool {
			return isVariable.MatchString(v.String()) && !isTakenName.MatchString(v.String())
		},
		schema: func(s *jsonschema.Schema) { s.Pattern, s.Not = variableForm, &jsonschema.Schema{Pattern: takenForm} },
	})
	buildProjectRule      = formRule(buildProjectForm, "the name of a project of CodeBuild")
	stageRule             = formRule(stageForm, "a name of letters, digits and . @ _ -")
	pipelineVariablesRule = filledRule(valueForm, "texts that are not empty", rule{
		want: "a name of letters, digits and @ _ -, other than " + core.PipelineMark + ", which is given anyway",
		ok: func(v reflect.Value) bool {
			return isExecution.MatchString(v.String()) && v.String() != core.PipelineMark
		},
		schema: func(s *jsonschema.Schema) {
			s.Pattern, s.Not = executionForm, &jsonschema.Schema{Enum: []any{core.PipelineMark}}
		},
	})
	stepsRule = rule{
		want: "shares above 0% and below 100%, each larger than the one before it, such as [10%, 50%]",
		ok: func(v reflect.Value) bool {
			last := core.Ratio(0)
			for _, step := range v.Interface().([]core.Ratio) {
				if step <= last {
					return false
				}
				last = step
			}
			return last > 0 && last < 1
		},
		schema: func(s *jsonschema.Schema) {
			setMinItems(s)
			setUnique(s)
			s.Items.AllOf = []*jsonschema.Schema{{Pattern: positive}, {Pattern: stepForm}}
		},
	}
)

var (
	isExecution = regexp.MustCompile(executionForm)
	isTakenName = regexp.MustCompile(takenForm)
)

// filledRule is the rule of a mapping whose values have a form, and whose keys have a rule.
func filledRule(form, want string, keys rule) rule {
	is := regexp.MustCompile(form)
	return rule{
		want: want + filledBy,
		ok: func(v reflect.Value) bool {
			for _, value := range v.Seq2() {
				if !is.MatchString(value.String()) {
					return false
				}
			}
			return true
		},
		schema: func(s *jsonschema.Schema) { s.AdditionalProperties.Pattern = form },
		keys:   &keys,
	}
}

// formRule is the rule of a text that has a form.
func formRule(form, want string) rule {
	is := regexp.MustCompile(form)
	return rule{
		want:   want,
		ok:     func(v reflect.Value) bool { return is.MatchString(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern = form },
	}
}

// checkAWS looks for what one key of a driver on AWS alone cannot show.
func (d *decoder) checkAWS(p *core.Plan) {
	for _, way := range []struct {
		options any
		timeout time.Duration
	}{{p.Deploy.Options, p.Deploy.Timeout}, {p.Rollback.Options, p.Rollback.Timeout}} {
		switch o := way.options.(type) {
		case *core.CodeDeploy:
			d.checkOne(d.seen[way.options], "one of "+strings.Join(codeDeployed, ", "), d.given(&o.S3), d.given(&o.GitHub), d.given(&o.ECS), d.given(&o.Lambda))
		case *core.CodePipeline:
			d.checkPipeline(d.seen[way.options], o)
		case *core.Lambda:
			d.checkLambda(o, way.timeout)
		}
	}
	d.checkPause(p)
	d.checkApproval(p)
}

// checkPause sees to it that ECS waits for longer than a wave may take until it has passed, and that what goes back knows of
// the pause: a way back that waited for a verdict would end with the version that is to go.
func (d *decoder) checkPause(p *core.Plan) {
	o, ok := p.Deploy.Options.(*core.ECS)
	if back, other := p.Rollback.Options.(*core.ECS); other && d.good(&back.Pause) && (!ok || o.Pause == 0) && !(ok && d.bad(&o.Pause)) {
		d.mistake(d.seen[&back.Pause], "a pause of deploy, or none", "nothing waits that this could be the pause of")
	}
	if !ok || !d.good(&o.Pause) {
		return
	}
	at := d.seen[&o.Pause]
	for i := range p.Waves {
		if long := p.Waves[i].Bake.Max + p.Deploy.Timeout; o.Pause < long {
			d.mistake(at, fmt.Sprintf("%s or more, or a shorter bake.max", core.Brief(long)), "ECS would go back in the middle of a bake: wave %s may take %s until it has passed, its deploy included", p.Waves[i].Name, core.Brief(long))
			break
		}
	}
	if p.Rollback.Driver == "" {
		return
	}
	if back, same := p.Rollback.Options.(*core.ECS); !same || back.Pause != o.Pause && !d.bad(&back.Pause) {
		d.mistake(at, "no rollback of its own, or one by aws-ecs with the same pause", "what goes back must know of the pause")
	}
}

// longestApproval is how long a manual approval of CodePipeline waits before it fails.
const longestApproval = 7 * 24 * time.Hour

// checkApproval sees to it that an approval which waits for the end of the bake does not fail before, and that what goes back
// can reject it: an execution that waits on would bring the new version once somebody approves it.
func (d *decoder) checkApproval(p *core.Plan) {
	o, ok := p.Deploy.Options.(*core.CodePipeline)
	if !ok || !o.Bakes() {
		return
	}
	at := d.seen[&o.Approve.After]
	for i := range p.Waves {
		if long := p.Waves[i].Bake.Max + p.Deploy.Timeout; long > longestApproval {
			d.mistake(at, "a shorter bake.max, or deploy", "CodePipeline waits for an approval for %s: wave %s may take %s until it has passed, its deploy included", core.Brief(longestApproval), p.Waves[i].Name, core.Brief(long))
			break
		}
	}
	if p.Rollback.Driver == "" {
		return
	}
	if back, same := p.Rollback.Options.(*core.CodePipeline); !same || back.Approve == nil || *back.Approve != *o.Approve {
		d.mistake(at, "no rollback of its own, or one by aws-codepipeline with the same approve", "what goes back must know of the approval")
	}
}

// checkRequires looks for what one key of requires alone cannot show.
func (d *decoder) checkRequires(p *core.Plan) {
	q := p.Requires
	if q == nil {
		return
	}
	if at := d.seen[&p.Requires]; !d.given(&q.Statuses) && !d.given(&q.Builds) && !d.refused[at] {
		d.mistake(at, "statuses, builds, or both", "this requires nothing")
	}
	unique(d, "required builds of", q.Builds, func(b *core.RequiredBuild) *string { return &b.Project })
	for i := range q.Builds {
		for _, text := range []*string{&q.Builds[i].AWS.Region, &q.Builds[i].AWS.Role, &q.Builds[i].AWS.Account} {
			if d.good(text) && strings.Contains(*text, "{{") {
				d.mistake(d.seen[text], "what it is, without {{...}}", "there is no target here that this could be filled in from")
			}
		}
		if b := &q.Builds[i]; b.Start && q.Timeout == 0 && !d.bad(&q.Timeout) {
			d.mistake(d.seen[&b.Start], "a timeout of requires, that the build ends within", "nobody would wait for the build that is started")
		}
	}
}

// codeDeployed are the keys of the driver aws-codedeploy that say what is deployed, of which it has exactly one.
var codeDeployed = []string{"s3", "github", "ecs", "lambda"}

// checkPipeline sees to it that a pipeline is told the version: without that it runs whatever its sources have.
func (d *decoder) checkPipeline(at *yaml.Node, o *core.CodePipeline) {
	const version = "{{version}}"
	told := d.bad(&o.Variables) || d.bad(&o.Sources)
	for _, text := range o.Variables {
		told = told || strings.Contains(text, version)
	}
	for i := range o.Sources {
		told = told || strings.Contains(o.Sources[i].Value, version) || d.bad(&o.Sources[i].Value)
	}
	if !told && !d.refused[at] {
		d.mistake(at, version+" in variables or in sources", "the pipeline is not told which version it is to run")
	}
}

func (d *decoder) checkLambda(o *core.Lambda, timeout time.Duration) {
	if c := o.Code; d.good(&o.Code) {
		const want = "bucket with key, or image"
		if d.checkOne(d.seen[&o.Code], want, d.given(&c.Bucket) || d.given(&c.Key), d.given(&c.Image)); d.given(&c.Bucket) != d.given(&c.Key) {
			d.mistake(d.seen[&o.Code], want, "an archive has a bucket, and a key in it")
		}
	}
	if d.given(&o.Pause) && !d.given(&o.Steps) {
		d.mistake(d.seen[&o.Pause], "steps beside it, or no pause", "there are no steps that this could be a pause between")
	}
	if total := time.Duration(len(o.Steps)) * o.Pause; d.good(&o.Steps) && !d.bad(&o.Pause) && total >= timeout {
		d.mistake(d.seen[&o.Steps], fmt.Sprintf("a timeout above %s, fewer steps, or a shorter pause", core.Brief(total)),
			"the pauses take %s, and the timeout is %s", core.Brief(total), core.Brief(timeout))
	}
}

// checkOne sees to it that exactly one of several forms is given.
func (d *decoder) checkOne(at *yaml.Node, want string, given ...bool) {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	switch {
	case n > 1:
		d.mistake(at, want, "only one of them can hold")
	case n == 0 && !d.refused[at]:
		d.mistake(at, want, "this says nothing")
	}
}
