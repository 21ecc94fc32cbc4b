package deploy_test

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

// everything opens each driver on AWS with all options that need a permission, where what they deploy to has a past.
var everything = map[string]func(*testing.T) *cloud{
	"aws-codebuild": func(t *testing.T) *cloud {
		c := newProject(t, core.CodeBuild{})
		c.Look(home, func(s *awstest.State) { s.Build(awstest.Build{Project: "shop-deploy"}).Status = "SUCCEEDED" })
		return c
	},
	"aws-codedeploy": func(t *testing.T) *cloud {
		c := newGroup(t, core.CodeDeploy{Lambda: &core.CodeDeployLambda{Function: "shop", Alias: "live"}})
		c.Look(home, func(s *awstest.State) { s.Functions["shop"] = newFunction() })
		return c
	},
	"aws-codepipeline": func(t *testing.T) *cloud {
		c := newPipeline(t, core.CodePipeline{RollbackStage: "Deploy", Approve: &core.CodePipelineApproval{Stage: "Deploy", Action: "Look"}})
		c.Look(home, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Approval = "Look" })
		return c
	},
	"aws-ecs": func(t *testing.T) *cloud { return newShifted(t, "CANARY", 12*time.Hour) },
	"aws-lambda": func(t *testing.T) *cloud {
		return newLambda(t, core.Lambda{Code: &core.LambdaCode{Bucket: "code", Key: "{{version}}.zip"}})
	},
}

// examine has the driver look at one act, and returns what it found and what it asked for.
func (c *cloud) examine(ctx context.Context, a core.Act) (found []core.Diagnosis, asked []string) {
	c.t.Helper()
	before := len(c.Asked())
	found = c.open().(core.Examiner).Examine(ctx, a)
	for _, r := range c.Asked()[before:] {
		if !strings.HasPrefix(r.Action, "sts:") {
			asked = append(asked, r.Action)
		}
	}
	return found, asked
}

// ill is what was found to be wrong.
func ill(found []core.Diagnosis) (all []string) {
	for _, d := range found {
		if d.Health != core.HealthOK && d.Health != core.HealthUntried {
			all = append(all, string(d.Health)+": "+d.What)
		}
		if (d.Do == "") != (d.Health == core.HealthOK) {
			all = append(all, "nothing to do, or too much: "+d.Do)
		}
	}
	return all
}

// named are the actions that the diagnoses of one health name.
func named(found []core.Diagnosis, health core.Health) (all []string) {
	for _, d := range found {
		if d.Health == health && d.About != "aws" {
			all = append(all, regexp.MustCompile(`\b[a-z]+:[A-Z]\w+`).FindAllString(d.What, -1)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestExamine: where all is well every action of the policy was either tried, or is named as one that was not. Only what
// reads is tried.
func TestExamine(t *testing.T) {
	for kind, open := range everything {
		t.Run(kind, func(t *testing.T) {
			c := open(t)
			c.Meddle(func(action string, in map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if in["DryRun"] != true && !regexp.MustCompile(`:(Get|List|Describe|BatchGet)`).MatchString(action) {
					t.Errorf("it does %s", action)
				}
				return serve()
			})
			found, asked := c.examine(t.Context(), act())
			if wrong := ill(found); wrong != nil {
				t.Error(wrong)
			}
			if want := (core.Diagnosis{About: "aws", Health: core.HealthOK, What: "We are arn:aws:iam::123456789012:user/ci."}); found[0] != want {
				t.Errorf("it begins with %+v", found[0])
			}
			slices.Sort(asked)
			if got := named(found, core.HealthOK); !slices.Equal(got, slices.Compact(asked)) {
				t.Errorf("permitted are %v, asked for was %v", got, asked)
			}
			all := append(named(found, core.HealthUntried), asked...)
			policy := policyOf(t, kind)
			slices.Sort(all)
			slices.Sort(policy)
			if all = slices.Compact(all); !slices.Equal(all, policy) {
				t.Errorf("it knows of %v\nthe policy has  %v", all, policy)
			}
		})
	}
}

// TestExamineDenied: each action that is not permitted is named with its resource, and does not hide the others.
func TestExamineDenied(t *testing.T) {
	on := map[string]string{
		"codebuild":    "arn:aws:codebuild:eu-west-1:123456789012:project/shop-deploy",
		"codedeploy":   "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:shop/use1-a",
		"codepipeline": "arn:aws:codepipeline:eu-west-1:123456789012:shop-use1-a",
		"ecs":          "arn:aws:ecs:eu-west-1:123456789012:service/main/use1-a",
		"lambda":       "arn:aws:lambda:eu-west-1:123456789012:function:shop",

		"ecs:DescribeServiceDeployments": "arn:aws:ecs:eu-west-1:123456789012:service-deployment/main/use1-a/",
		"ecs:DescribeServiceRevisions":   "arn:aws:ecs:eu-west-1:123456789012:service-revision/main/use1-a/",
	}
	for kind, open := range everything {
		c := open(t)
		_, asked := c.examine(t.Context(), act())
		for _, denied := range asked {
			t.Run(kind+" "+denied, func(t *testing.T) {
				c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
					if action == denied {
						return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "User: ci is not authorized"}
					}
					return serve()
				})
				found, _ := c.examine(t.Context(), act())
				service, _, _ := strings.Cut(denied, ":")
				want := "; allow " + denied + " on " + cmp.Or(on[denied], on[service])
				if denied == "ecs:DescribeTaskDefinition" {
					want = "; allow " + denied + " on *."
				}
				if wrong := ill(found); len(wrong) != 1 || !strings.HasPrefix(wrong[0], "problem: AWS does not let us look at the ") || !strings.Contains(wrong[0], want) {
					t.Errorf("%q; want %q", wrong, want)
				}
				if slices.Contains(named(found, core.HealthOK), denied) || slices.Contains(named(found, core.HealthUntried), denied) {
					t.Errorf("it is permitted, or was not tried: %+v", found)
				}
			})
		}
	}
}

// TestExamineMissing: what is not there is said once, with where it was looked for.
func TestExamineMissing(t *testing.T) {
	for kind, want := range map[string]string{
		"aws-codebuild":    "problem: There is no project shop-deploy in eu-west-1, account 123456789012: codebuild:ListBuildsForProject: ",
		"aws-codedeploy":   "problem: There is no deployment group shop/use1-a in eu-west-1, account 123456789012: codedeploy:GetDeploymentGroup: ",
		"aws-codepipeline": "problem: There is no pipeline shop-use1-a in eu-west-1, account 123456789012: codepipeline:ListPipelineExecutions: ",
		"aws-ecs":          "problem: There is no service main/use1-a in eu-west-1, account 123456789012: there is no service main/use1-a.",
		"aws-lambda":       "problem: There is no alias shop:live in eu-west-1, account 123456789012: lambda:GetAlias: ",
	} {
		t.Run(kind, func(t *testing.T) {
			c := everything[kind](t)
			c.Look(home, func(s *awstest.State) {
				clear(s.Projects)
				clear(s.Groups)
				clear(s.Pipelines)
				clear(s.Services)
				if kind == "aws-lambda" {
					clear(s.Functions)
				}
			})
			found, _ := c.examine(t.Context(), act())
			if wrong := ill(found); len(wrong) != 1 || !strings.HasPrefix(wrong[0], want) {
				t.Errorf("%q; want %q", wrong, want)
			}
		})
	}
}

// TestExamineFurther: what else would keep a rollout from its work.
func TestExamineFurther(t *testing.T) {
	for name, c := range map[string]struct {
		kind   string
		change func(*awstest.State)
		want   string
	}{
		"a function without its alias": {"aws-lambda", func(s *awstest.State) { clear(s.Functions["shop"].Aliases) },
			"problem: There is no alias shop:live in eu-west-1, account 123456789012: lambda:GetAlias: Cannot find alias: live (ResourceNotFoundException)."},
		"an alias of what changes": {"aws-lambda", func(s *awstest.State) { s.Functions["shop"].Aliases["live"].Version = "$LATEST" },
			"problem: A rollout would be refused: shop:live has $LATEST, which nobody could put back: give it a published version first."},
		"an alias that somebody shifts": {"aws-lambda", func(s *awstest.State) { s.Functions["shop"].Aliases["live"].Weights = map[string]float64{"2": 0.1} },
			"problem: A rollout would be refused: somebody else is shifting shop:live: it has 1, and 10% to 2; nothing was done: wait until that is over, or end it."},
		"an alias of CodeDeploy": {"aws-codedeploy", func(s *awstest.State) { clear(s.Functions) },
			"problem: There is no alias shop:live in eu-west-1, account 123456789012: lambda:GetAlias: Function not found: shop (ResourceNotFoundException)."},
		"a pipeline without the approval": {"aws-codepipeline", func(s *awstest.State) { s.Pipelines["shop-use1-a"].Approval = "Other" },
			"problem: The pipeline shop-use1-a in eu-west-1 has no action Look in a stage Deploy."},
		"a service of CodeDeploy": {"aws-ecs", func(s *awstest.State) { s.Services["main/use1-a"].Controller = "CODE_DEPLOY" },
			"problem: A rollout would be refused: main/use1-a is deployed by CODE_DEPLOY, and not by ECS: use another driver, such as aws-codedeploy."},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := everything[c.kind](t)
			cloud.Look(home, c.change)
			found, _ := cloud.examine(t.Context(), act())
			if wrong := ill(found); len(wrong) != 1 || wrong[0] != c.want {
				t.Errorf("%q; want %q", wrong, c.want)
			}
		})
	}
}

// TestExamineRolling: a service that only rolls needs less than one whose strategy shifts traffic.
func TestExamineRolling(t *testing.T) {
	c := newService(t)
	found, _ := c.examine(t.Context(), act())
	want := []string{"ecs:RegisterTaskDefinition", "ecs:TagResource", "ecs:UpdateService", "iam:PassRole"}
	if got := named(found, core.HealthUntried); ill(found) != nil || !slices.Equal(got, want) {
		t.Errorf("untried are %v; want %v; %q", got, want, ill(found))
	}
}

// TestExamineNew: what has no past leaves more untried, and is no problem.
func TestExamineNew(t *testing.T) {
	for kind, want := range map[string]string{"aws-codebuild": "codebuild:BatchGetBuilds", "aws-codedeploy": "codedeploy:GetDeployment", "aws-codepipeline": "codepipeline:ListActionExecutions"} {
		t.Run(kind, func(t *testing.T) {
			c := everything[kind](t)
			c.Look(home, func(s *awstest.State) { s.Builds, s.Deployments, s.Executions = nil, nil, nil })
			found, _ := c.examine(t.Context(), act())
			if wrong := ill(found); wrong != nil || !slices.Contains(named(found, core.HealthUntried), want) {
				t.Errorf("%+v", found)
			}
		})
	}
}

// TestExamineCode: what AWS says of code that may not be there yet is no matter, whether it may be changed is.
func TestExamineCode(t *testing.T) {
	for message, permitted := range map[string]bool{
		"InvalidParameterValueException: Error occurred while GetObject. S3 Error Code: NoSuchKey":                                              true,
		"ResourceConflictException: An update is in progress":                                                                                   true,
		"AccessDeniedException: Your access has been denied by S3, please make sure your request credentials have permission to GetObject":      true,
		"AccessDeniedException: Lambda does not have permission to access the ECR image":                                                        true,
		"AccessDeniedException: User: ci is not authorized to perform: lambda:UpdateFunctionCode on resource: arn:aws:lambda:x:1:function:shop": false,
		"AccessDeniedException: ": false,
	} {
		c := everything["aws-lambda"](t)
		c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if action == "lambda:UpdateFunctionCode" {
				code, text, _ := strings.Cut(message, ": ")
				return nil, &awstest.Fault{Code: code, Message: text}
			}
			return serve()
		})
		found, _ := c.examine(t.Context(), act())
		if wrong := ill(found); (wrong == nil) != permitted || slices.Contains(named(found, core.HealthOK), "lambda:UpdateFunctionCode") != permitted {
			t.Errorf("%s: %+v", message, found)
		}
	}
}

// TestExamineMute: where AWS does not answer, it is not asked again and again, and nothing passes for permitted.
func TestExamineMute(t *testing.T) {
	c := newLambda(t, core.Lambda{})
	c.Meddle(losesAnswers("lambda:GetAlias", 1000))
	found, asked := c.examine(t.Context(), act())
	if wrong := ill(found); len(wrong) != 1 || !strings.HasPrefix(wrong[0], "problem: The alias shop:live in eu-west-1 could not be looked at: lambda:GetAlias was not answered: ") {
		t.Errorf("%q", wrong)
	}
	if slices.ContainsFunc(asked, func(a string) bool { return a != "lambda:GetAlias" }) || named(found, core.HealthOK) != nil {
		t.Errorf("it asked for %v and found %+v", asked, found)
	}
	if got := named(found, core.HealthUntried); !slices.Contains(got, "lambda:GetAlias") || slices.Contains(got, "lambda:UpdateFunctionCode") {
		t.Errorf("untried are %v", got)
	}
}

// TestExamineElsewhere: nothing is looked at in another account, or on a way that does not open.
func TestExamineElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		way  core.AWS
		want string
	}{
		"account": {core.AWS{Account: "210987654321"}, "problem: Nothing could be looked at for the target use1-a: the credentials are of AWS account 123456789012 and must be of 210987654321; nothing was touched: check role and the job's credentials."},
		"region":  {core.AWS{Region: "nowhere"}, `problem: Nothing could be looked at for the target use1-a: the way to the target use1-a: region is "nowhere", not a name as eu-west-1.`},
		"label":   {core.AWS{Region: "{{labels.no}}"}, `problem: Nothing could be looked at for the target use1-a: the target use1-a has no label no, which "{{labels.no}}" needs.`},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newLambda(t, core.Lambda{AWS: c.way})
			found, asked := cloud.examine(t.Context(), act())
			if wrong := ill(found); len(found) != 1 || len(wrong) != 1 || wrong[0] != c.want || asked != nil {
				t.Errorf("%v %q; want %q", asked, wrong, c.want)
			}
		})
	}
}

// TestPlace: targets share a place only if the resource and the way to it are the same.
func TestPlace(t *testing.T) {
	c := newLambda(t, core.Lambda{AWS: core.AWS{Region: "{{labels.region}}"}})
	place := func(region string) string {
		a := act()
		a.Target.Labels = map[string]string{"region": region}
		got, err := c.open().(core.Examiner).Place(a)
		if err != nil {
			t.Error(err)
		}
		return got
	}
	here, again, there := place("eu-west-1"), place("eu-west-1"), place("us-east-1")
	if here != again || here == there {
		t.Errorf("places are mixed up: %q, %q, %q", here, again, there)
	}
	if _, err := c.open().(core.Examiner).Place(core.Act{Target: core.Target{Name: "a"}}); err == nil {
		t.Error("a target without the label has a place")
	}
}
