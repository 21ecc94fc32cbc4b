package command_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/aws/s3test"
	"github.com/breakwater-ci/breakwater/core/command"
)

// regions are where the targets of these tests are: the second one takes no v2.
var regions = []string{"eu-west-1", "us-east-1"}

// TestAWSDrivers rolls out by each driver on AWS, in two regions: a good version, a bad one, and back.
func TestAWSDrivers(t *testing.T) {
	for name, c := range map[string]struct {
		deploy string
		build  func(s *awstest.State, bad bool)
		runs   func(s *awstest.State) string
		failed string // what is said of v2
	}{
		"aws-lambda": {
			deploy: `{function: shop, alias: live, code: {bucket: "code-{{labels.region}}", key: "{{version}}.zip"}, steps: [10%], pause: 10m, aws: {region: "{{labels.region}}"}}`,
			build: func(s *awstest.State, bad bool) {
				f := &awstest.Function{Aliases: map[string]*awstest.Alias{"live": {Version: "1", Revision: "1"}}}
				f.Publish("old.zip", "v0")
				if !bad {
					f.Publish("code/v2.zip", "v2")
				}
				f.Publish("code/v1.zip", "v1")
				if bad {
					f.Broken = "the archive is damaged"
				}
				s.Functions["shop"] = f
			},
			runs: func(s *awstest.State) string {
				f := s.Functions["shop"]
				n, _ := strconv.Atoi(f.Aliases["live"].Version)
				return f.Versions[n-1].Description
			},
			failed: "the code of shop cannot be put in place: the archive is damaged",
		},
		"aws-codebuild": {
			deploy: `{project: shop-deploy, source_version: "{{version}}", aws: {region: "{{labels.region}}"}}`,
			build: func(s *awstest.State, bad bool) {
				s.Projects["shop-deploy"] = &awstest.Project{Starts: func(b *awstest.Build) {
					if b.Looks = 2; bad && b.Source == "v2" {
						b.Ends, b.Code, b.Error = "FAILED", "COMMAND_EXECUTION_ERROR", "exit status 1"
					}
				}}
			},
			runs: func(s *awstest.State) string {
				for _, version := range s.Projects["shop-deploy"].Runs {
					return version
				}
				return ""
			},
			failed: "BUILD: FAILED: COMMAND_EXECUTION_ERROR: exit status 1",
		},
		"aws-codedeploy": {
			deploy: `{application: shop, group: "{{target}}", github: {repository: octo/shop}, aws: {region: "{{labels.region}}"}}`,
			build: func(s *awstest.State, bad bool) {
				for _, target := range []string{"a", "b"} {
					s.Groups["shop/"+target] = &awstest.Group{Platform: "Server", Starts: func(d *awstest.Deployment) {
						if d.Looks = 2; bad && commit(d.Revision) == "v2" {
							d.Ends, d.ErrorCode, d.Error = "Failed", "HEALTH_CONSTRAINTS", "too few healthy instances"
						}
					}}
				}
			},
			runs: func(s *awstest.State) string {
				for _, g := range s.Groups {
					if g.Runs != nil {
						return commit(g.Runs)
					}
				}
				return ""
			},
			failed: "HEALTH_CONSTRAINTS: too few healthy instances",
		},
		"aws-codepipeline": {
			deploy: `{pipeline: "shop-{{target}}", sources: [{action: Source, value: "{{version}}"}], aws: {region: "{{labels.region}}"}}`,
			build: func(s *awstest.State, bad bool) {
				for _, target := range []string{"a", "b"} {
					s.Pipelines["shop-"+target] = &awstest.Pipeline{Starts: func(e *awstest.Execution) {
						if e.Looks = 2; bad && e.Revision == "v2" {
							e.Ends, e.Code, e.Error = "Failed", "JobFailed", "exit status 1"
						}
					}}
				}
			},
			runs: func(s *awstest.State) string {
				return s.Pipelines["shop-a"].Runs + s.Pipelines["shop-b"].Runs
			},
			failed: "Deploy/App: Failed: JobFailed: exit status 1",
		},
		"aws-ecs": {
			deploy: `{cluster: main, service: shop, container: web, image: "shop:{{version}}", aws: {region: "{{labels.region}}"}}`,
			build: func(s *awstest.State, bad bool) {
				service := new(awstest.Service)
				s.Services["main/shop"] = service
				s.Update(service, s.Register(map[string]any{"family": "shop", "containerDefinitions": []any{map[string]any{"name": "web", "image": "shop:v0"}}}, nil)).State = "COMPLETED"
				service.Starts = func(d *awstest.TaskRollout) {
					if bad && s.Image(d.Definition) == "shop:v2" {
						d.Fails, d.Undo = "tasks failed to start", true
					}
				}
			},
			runs: func(s *awstest.State) string {
				return strings.TrimPrefix(s.Image(s.Services["main/shop"].Definition), "shop:")
			},
			failed: "tasks failed to start; ECS has put back what was there: it runs shop:2",
		},
		"aws-ecs with a pause": {
			deploy: `{cluster: main, service: shop, container: web, image: "shop:{{version}}", pause: 12h, aws: {region: "{{labels.region}}"}}`,
			build: func(s *awstest.State, bad bool) {
				service := &awstest.Service{Strategy: "BLUE_GREEN"}
				s.Services["main/shop"] = service
				s.Shift("main/shop", s.Register(map[string]any{"family": "shop", "containerDefinitions": []any{map[string]any{"name": "web", "image": "shop:v0"}}}, nil)).Status = "SUCCESSFUL"
				service.StartsShift = func(d *awstest.Shift) {
					if bad && s.Image(d.To) == "shop:v2" {
						d.Fails = "tasks failed to start"
					}
				}
			},
			runs: func(s *awstest.State) string {
				service := s.Services["main/shop"]
				if service.Busy() {
					return "two versions"
				}
				return strings.TrimPrefix(s.Image(service.Definition), "shop:")
			},
			failed: "to shop:3 ended with ROLLBACK_SUCCESSFUL: tasks failed to start; it runs shop:2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &jumping{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
			cloud := awstest.New(t, clock.Now)
			for i, region := range regions {
				cloud.Look(region, func(s *awstest.State) { c.build(s, i == 1) })
			}
			dir := t.TempDir()
			plan := `
version: 1
service: shop
environment: production
targets: [{name: a, labels: {region: eu-west-1}}, {name: b, labels: {region: us-east-1}}]
waves: [{name: first, select: {region: eu-west-1}}, {name: rest, select: all}]
deploy: {` + strings.Fields(name)[0] + `: ` + c.deploy + `}
bake: {min: 0s}
`
			if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
				t.Fatal(err)
			}
			rollOut := func(want int, says string, args ...string) {
				t.Helper()
				var out strings.Builder
				code := command.Main(t.Context(), append([]string{"run"}, args...), command.Env{Stdout: &out, Stderr: &out, Dir: dir, Clock: clock,
					Environ: append(cloud.Environ(), "PATH="+os.Getenv("PATH"))})
				if code != want || !strings.Contains(out.String(), says) {
					t.Errorf("exit code %d; want %d and %q:\n%s", code, want, says, out.String())
				}
				for _, region := range regions {
					cloud.Look(region, func(s *awstest.State) {
						if got := c.runs(s); got != "v1" {
							t.Errorf("%s runs %q", region, got)
						}
					})
				}
			}
			rollOut(core.ExitDone, "Requests to the API: ", "--version", "v1", "--first-release")
			rollOut(core.ExitRolledBack, c.failed, "--version", "v2")
		})
	}
}

// commit is what a revision from GitHub puts out.
func commit(revision map[string]any) string {
	location, _ := revision["gitHubLocation"].(map[string]any)
	text, _ := location["commitId"].(string)
	return text
}

// TestDoctorBucket: what a job may not do to a ledger in a bucket is named as IAM knows it.
func TestDoctorBucket(t *testing.T) {
	for method, want := range map[string]string{
		"":             "It can be read and written, and refuses the second",
		http.MethodGet: "allow s3:ListBucket on arn:aws:s3:::" + s3test.Bucket + ".",
		http.MethodPut: "allow s3:PutObject on arn:aws:s3:::" + s3test.Bucket + "/shop/*.",
	} {
		server := s3test.New(t)
		server.Meddle(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.Method == method {
				s3test.Refuse(http.StatusForbidden, "AccessDenied", "not authorized")(w, r, next)
				return
			}
			next(w, r)
		})
		var out, errs strings.Builder
		command.Main(t.Context(), []string{"doctor", "--json", "--ledger", "s3://" + s3test.Bucket + "/shop"}, command.Env{Stdout: &out, Stderr: &errs,
			Dir: t.TempDir(), Environ: append(server.Environ(), "PATH="+os.Getenv("PATH"))})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is refused: %s%s; want %q", method, out.String(), errs.String(), want)
		}
	}
}
