package deploy_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
)

const home = "eu-west-1"

// newLambda has the function shop with the versions 1 (v1) and 2 (v2), and the alias live on the first.
func newLambda(t *testing.T, o core.Lambda) *cloud {
	o.Function, o.Alias = "shop", "live"
	c := newCloud(t, "aws-lambda", &o)
	c.Look(home, func(s *awstest.State) { s.Functions["shop"] = newFunction() })
	return c
}

func newFunction() *awstest.Function {
	f := &awstest.Function{Aliases: map[string]*awstest.Alias{"live": {Version: "1", Description: "what callers use", Revision: "1"}}}
	f.Publish("s3://code/v1.zip", "v1")
	f.Publish("s3://code/v2.zip", "v2")
	return f
}

func (c *cloud) function(look func(*awstest.Function)) {
	c.Look(home, func(s *awstest.State) { look(s.Functions["shop"]) })
}

// live is where the traffic goes.
func (c *cloud) live() (version string, weights map[string]float64) {
	c.function(func(f *awstest.Function) {
		version, weights = f.Aliases["live"].Version, maps.Clone(f.Aliases["live"].Weights)
	})
	return version, weights
}

func (c *cloud) wantLive(want string) {
	c.t.Helper()
	if version, weights := c.live(); version != want || len(weights) != 0 {
		c.t.Errorf("live has %s and %v; want %s", version, weights, want)
	}
}

func TestLambda(t *testing.T) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		c := newCloud(t, "aws-lambda", &core.Lambda{Function: "{{target}}", Alias: "live", Code: &core.LambdaCode{Bucket: "code", Key: "{{version}}.zip"}, Steps: []core.Ratio{0.1}})
		c.timeout = timeout
		f := &awstest.Function{Aliases: map[string]*awstest.Alias{"live": {Version: "1", Revision: "1"}}}
		f.Publish("s3://old.zip", "v0")
		c.Look(home, func(s *awstest.State) { s.Functions["use1-a"] = f })
		behave := func(b deploytest.Behavior) {
			c.Look(home, func(*awstest.State) {
				if f.Aliases["live"].Late = 0; b == deploytest.Lies {
					f.Aliases["live"].Late = 1000
				}
			})
			c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if action == "lambda:UpdateAlias" && b == deploytest.Fails {
					return nil, &awstest.Fault{Code: "InvalidParameterValueException", Message: deploytest.Complaint + " " + deploytest.Secret}
				}
				return serve()
			})
		}
		w := c.world(b, behave,
			func(s *awstest.State, target string) string {
				if s.Functions[target] == nil {
					return ""
				}
				return map[string]string{"1": "v1", "2": "v2", "3": "v3"}[f.Aliases["live"].Version]
			},
			func(*awstest.State) bool { return len(f.Aliases["live"].Weights) > 0 }, "PublishVersion")
		w.Foreign = func(string) func() bool {
			c.Look(home, func(*awstest.State) {
				f.Aliases["live"].Set(func(a *awstest.Alias) { a.Weights = map[string]float64{"1": 0.3} })
			})
			return func() bool { return f.Aliases["live"].Weights["1"] == 0.3 }
		}
		return w
	})
}

// TestLambdaSteps: forwards in steps, once more without a write, and back at once to what was there.
func TestLambdaSteps(t *testing.T) {
	c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1, 0.5}, Pause: 5 * time.Minute})
	var seen []float64
	clock := c.clock.(*ticking)
	clock.waits = func(time.Time) {
		version, weights := c.live()
		if version != "1" {
			t.Errorf("the alias has %s during the steps", version)
		}
		seen = append(seen, weights["2"])
	}
	output := c.deploy(t.Context(), act(), "")
	if !slices.Equal(seen, []float64{0.1, 0.5}) || clock.Now().Sub(noon) != 10*time.Minute {
		t.Errorf("%v after %s", seen, clock.Now().Sub(noon))
	}
	if output != "shop:live sends 10% to 2\nshop:live sends 50% to 2\nshop:live has 2, before it 1" {
		t.Errorf("%q", output)
	}
	c.wantLive("2")
	writes := c.count("UpdateAlias")
	c.deploy(t.Context(), again(act()), "")
	if c.count("UpdateAlias") != writes+1 || len(seen) != 2 {
		t.Errorf("once more takes %d writes and %v", c.count("UpdateAlias")-writes, seen)
	}
	c.deploy(t.Context(), back(), "")
	c.wantLive("1")
	if c.count("UpdateAlias") != writes+2 {
		t.Errorf("a rollback takes %d writes", c.count("UpdateAlias")-writes-1)
	}
}

// TestLambdaCaptures: a rollback puts back what was there, whoever has published it and whatever it is called.
func TestLambdaCaptures(t *testing.T) {
	c := newLambda(t, core.Lambda{})
	c.function(func(f *awstest.Function) {
		f.Aliases["live"].Version = f.Publish("s3://hand/made.zip", "by hand")
	})
	c.deploy(t.Context(), act(), "")
	c.wantLive("2")
	c.deploy(t.Context(), again(act()), "") // must not take its own version for what was there
	c.deploy(t.Context(), back(), "")
	c.wantLive("3")
	second := act()
	second.Attempt = 3 // a rehearsal: forwards again, and back once more
	c.deploy(t.Context(), second, "")
	c.deploy(t.Context(), again(back()), "")
	c.wantLive("3")
}

// TestLambdaPublishes: code that was not published yet is, once; what was is found.
func TestLambdaPublishes(t *testing.T) {
	c := newLambda(t, core.Lambda{Code: &core.LambdaCode{Bucket: "code", Key: "{{version}}.zip"}})
	c.function(func(f *awstest.Function) { f.Slow, f.Late, f.Aliases["live"].Late = 2, 2, 1 })
	next := act()
	next.Version = "v3"
	for range 2 {
		c.deploy(t.Context(), next, "")
		c.wantLive("3")
		next = again(next)
	}
	c.function(func(f *awstest.Function) {
		if len(f.Versions) != 3 || f.Versions[2].Code != "s3://code/v3.zip" || f.Versions[2].Description != "v3" {
			t.Errorf("%+v", f.Versions)
		}
	})
	if c.count("UpdateFunctionCode") != 1 || c.count("PublishVersion") != 1 {
		t.Errorf("%q", c.actions())
	}
	image := newLambda(t, core.Lambda{Code: &core.LambdaCode{Image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:{{version}}"}})
	image.deploy(t.Context(), next, "")
	image.wantLive("3")
}

// TestLambdaPublishCut: a process that dies between new code and its version leaves nothing that the next one minds.
func TestLambdaPublishCut(t *testing.T) {
	for _, at := range []string{"lambda:UpdateFunctionCode", "lambda:PublishVersion", "lambda:UpdateAlias"} {
		c := newLambda(t, core.Lambda{Code: &core.LambdaCode{Bucket: "code", Key: "{{version}}.zip"}, Steps: []core.Ratio{0.1}})
		next := act()
		next.Version = "v3"
		ctx, cancel := context.WithCancel(t.Context())
		c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if action == at {
				defer cancel()
				if action == "lambda:UpdateAlias" { // as if the process was killed: nobody takes anything back
					c.Meddle(denies("lambda:GetAlias"))
				}
			}
			return serve()
		})
		c.deploy(ctx, next, "stopped: context canceled")
		c.Meddle(nil)
		c.deploy(t.Context(), again(next), "")
		c.wantLive("3")
		c.function(func(f *awstest.Function) {
			if len(f.Versions) != 3 {
				t.Errorf("%s: %d versions", at, len(f.Versions))
			}
		})
	}
}

func denies(action string) awstest.Meddler {
	return func(got string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if got == action {
			return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "User: ci is not authorized to perform: " + action}
		}
		return serve()
	}
}

// TestLambdaAdopts: an attempt after a crash goes on at the share that it finds.
func TestLambdaAdopts(t *testing.T) {
	c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1, 0.5, 0.9}})
	c.deploy(t.Context(), act(), "") // tells what an alias says of itself
	c.function(func(f *awstest.Function) {
		f.Aliases["live"].Set(func(a *awstest.Alias) { a.Version, a.Weights = "1", map[string]float64{"2": 0.5} })
	})
	var seen []float64
	c.clock.(*ticking).waits = func(time.Time) {
		_, weights := c.live()
		seen = append(seen, weights["2"])
	}
	c.deploy(t.Context(), again(act()), "")
	c.wantLive("2")
	if !slices.Equal(seen, []float64{0.5, 0.9}) {
		t.Errorf("%v", seen)
	}
}

// TestLambdaRollbackInFlight: a rollback takes back what an act before it has left half done.
func TestLambdaRollbackInFlight(t *testing.T) {
	c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1}})
	c.deploy(t.Context(), act(), "")
	c.function(func(f *awstest.Function) {
		f.Aliases["live"].Set(func(a *awstest.Alias) { a.Version, a.Weights = "1", map[string]float64{"2": 0.1} })
	})
	c.deploy(t.Context(), back(), "")
	c.wantLive("1")
}

// TestLambdaForeign: what somebody else does to the alias is seen, said, and left alone.
func TestLambdaForeign(t *testing.T) {
	shifting := func(a *awstest.Alias) { a.Weights = map[string]float64{"2": 0.3} }
	for name, c := range map[string]struct {
		first  bool // the rollout has deployed before
		change func(a *awstest.Alias)
		now    core.Act
		want   string
	}{
		"a shift":                 {change: shifting, now: act(), want: "somebody else is shifting shop:live: it has 1, and 30% to 2; nothing was done"},
		"a shift, and a rollback": {change: shifting, now: back(), want: "somebody else is shifting shop:live"},
		"a shift after ours": {first: true, now: again(act()), want: "somebody else is shifting",
			change: func(a *awstest.Alias) { a.Weights = map[string]float64{"3": 0.3} }},
		"a deploy after ours": {first: true, now: back(), want: "somebody else has deployed to shop:live since: it has 3, not 2",
			change: func(a *awstest.Alias) { a.Version = "3" }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLambda(t, core.Lambda{})
			w.function(func(f *awstest.Function) { f.Publish("s3://code/x.zip", "x") })
			if c.first {
				w.deploy(t.Context(), act(), "")
			}
			w.function(func(f *awstest.Function) { f.Aliases["live"].Set(c.change) })
			version, weights := w.live()
			w.deploy(t.Context(), c.now, c.want)
			if v, more := w.live(); v != version || !maps.Equal(more, weights) {
				t.Errorf("live has %s and %v now", v, more)
			}
		})
	}
}

// TestLambdaRaced: somebody who changes the alias between two writes of ours is not overwritten.
func TestLambdaRaced(t *testing.T) {
	c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1}})
	c.clock.(*ticking).waits = func(time.Time) {
		c.clock.(*ticking).waits = nil
		c.function(func(f *awstest.Function) {
			f.Aliases["live"].Set(func(a *awstest.Alias) {
				a.Version, a.Weights, a.Description = "1", map[string]float64{"2": 0.7}, "mine"
			})
		})
	}
	c.deploy(t.Context(), act(), "somebody else has changed shop:live meanwhile: it has 1, and 70% to 2 now, and is left so")
	if _, weights := c.live(); weights["2"] != 0.7 {
		t.Errorf("%v", weights)
	}
}

// TestLambdaTroubles: what AWS throttles, loses, or shows late.
func TestLambdaTroubles(t *testing.T) {
	for name, meddle := range map[string]awstest.Meddler{
		"throttled look": throttles("lambda:GetAlias", 3), "throttled write": throttles("lambda:UpdateAlias", 3),
		"lost answer": losesAnswers("lambda:UpdateAlias", 1), "lost answers": losesAnswers("lambda:UpdateAlias", 3),
	} {
		t.Run(name, func(t *testing.T) {
			c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1}})
			c.function(func(f *awstest.Function) { f.Aliases["live"].Late = 1 })
			c.Meddle(meddle)
			driver := c.open()
			if output, err := driver.Deploy(t.Context(), act()); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			c.wantLive("2")
			if n := driver.(core.Counted).Requests(); n != len(c.Asked()) {
				t.Errorf("%d requests are counted of %d", n, len(c.Asked()))
			}
		})
	}
}

// TestLambdaFails: what goes wrong, what is said of it, and that the alias is as it was.
func TestLambdaFails(t *testing.T) {
	unknown := act()
	unknown.Version = "v9"
	failed := func(c *cloud) { c.function(func(f *awstest.Function) { f.Versions[1].State = "Failed" }) }
	for name, c := range map[string]struct {
		change func(*cloud)
		now    core.Act
		want   string
	}{
		"not published":   {now: unknown, want: `no version of shop has the description or the number "v9": publish it first`},
		"cannot run":      {change: failed, now: act(), want: "version 2 of shop cannot run"},
		"no alias":        {change: func(c *cloud) { c.function(func(f *awstest.Function) { f.Aliases = nil }) }, now: act(), want: "lambda:GetAlias: Cannot find alias: live (ResourceNotFoundException)"},
		"unpublished":     {change: func(c *cloud) { c.function(func(f *awstest.Function) { f.Aliases["live"].Version = "$LATEST" }) }, now: act(), want: "shop:live has $LATEST, which nobody could put back"},
		"not permitted":   {change: func(c *cloud) { c.Meddle(denies("lambda:UpdateAlias")) }, now: act(), want: "AWS refuses lambda:UpdateAlias: User: ci is not authorized"},
		"throttled":       {change: func(c *cloud) { c.Meddle(throttles("lambda:UpdateAlias", 99)) }, now: act(), want: "lambda:UpdateAlias: Rate exceeded (ThrottlingException)"},
		"another account": {change: func(c *cloud) { c.options.(*core.Lambda).AWS.Account = "210987654321" }, now: act(), want: "the credentials are of AWS account 123456789012 and must be of 210987654321"},
		"no label":        {change: func(c *cloud) { c.options.(*core.Lambda).AWS.Region = "{{labels.region}}" }, now: act(), want: "the target use1-a has no label region"},
		"rollback refused": {change: func(c *cloud) {
			c.deploy(c.t.Context(), act(), "")
			c.function(func(f *awstest.Function) { f.Versions[0].State = "Failed" })
		}, now: back(), want: "version 1 of shop cannot run"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLambda(t, core.Lambda{})
			if c.change != nil {
				c.change(w)
			}
			w.deploy(t.Context(), c.now, c.want)
		})
	}
}

// TestLambdaCutOff: an act that is cut off gives the traffic back.
func TestLambdaCutOff(t *testing.T) {
	c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1}})
	ctx, cancel := context.WithCancel(t.Context())
	c.clock.(*ticking).waits = func(time.Time) { cancel() }
	c.deploy(ctx, act(), "stopped: context canceled; shop:live has 1 again")
	c.wantLive("1")

	c = newLambda(t, core.Lambda{})
	ctx, cancel = context.WithCancel(t.Context())
	c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		out, fault := serve()
		if action == "lambda:UpdateAlias" {
			cancel()
		}
		return out, fault
	})
	c.deploy(ctx, act(), "") // it was faster
	c.wantLive("2")
}

// TestLambdaPlaces: each target is reached in its own region, by its own role.
func TestLambdaPlaces(t *testing.T) {
	c := newLambda(t, core.Lambda{AWS: core.AWS{Region: "{{labels.region}}", Role: "arn:aws:iam::123456789012:role/{{labels.region}}", Account: "123456789012"}})
	for _, region := range []string{"us-east-1", "ap-south-1"} {
		c.Look(region, func(s *awstest.State) { s.Functions["shop"] = newFunction() })
		a := act()
		a.Target.Labels = map[string]string{"region": region}
		c.deploy(t.Context(), a, "")
		c.Look(region, func(s *awstest.State) {
			if s.Functions["shop"].Aliases["live"].Version != "2" {
				t.Errorf("nothing was done in %s", region)
			}
		})
	}
	c.wantLive("1")
	for _, a := range c.Asked() {
		if strings.HasPrefix(a.Action, "lambda:") && a.Key != "arn.aws.iam..123456789012.role."+a.Region {
			t.Errorf("%+v", a)
		}
	}
}

// TestLambdaPolicy: the policy in docs/drivers.md is what a deploy with all its parts asks for, and nothing else.
func TestLambdaPolicy(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		c := newLambda(t, core.Lambda{Code: &core.LambdaCode{Bucket: "code", Key: "{{version}}.zip"}})
		next := act()
		next.Version = "v3"
		c.deploy(t.Context(), next, "")
	})
	leastPrivilege(t, "aws-lambda")
}

// TestLambdaTogether: two aliases of one function, deployed at the same time, share one version.
func TestLambdaTogether(t *testing.T) {
	c := newCloud(t, "aws-lambda", &core.Lambda{Function: "shop", Alias: "{{target}}", Code: &core.LambdaCode{Bucket: "code", Key: "{{version}}.zip"}})
	c.Look(home, func(s *awstest.State) {
		f := newFunction()
		f.Slow = 1
		for _, name := range []string{"a", "b", "c"} {
			f.Aliases[name] = &awstest.Alias{Version: "1", Revision: "1"}
		}
		s.Functions["shop"] = f
	})
	driver := c.open()
	var group sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		group.Go(func() {
			one := act()
			one.Target.Name, one.Version = name, "v3"
			if output, err := driver.Deploy(t.Context(), one); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
	group.Wait()
	c.function(func(f *awstest.Function) {
		for _, name := range []string{"a", "b", "c"} {
			if len(f.Versions) != 3 || f.Aliases[name].Version != "3" {
				t.Errorf("%s has %s of %d", name, f.Aliases[name].Version, len(f.Versions))
			}
		}
	})
}

// TestLambdaLongNames: what is noted fits into a description, and is still known.
func TestLambdaLongNames(t *testing.T) {
	c := newLambda(t, core.Lambda{})
	forth, home := act(), back()
	for _, a := range []*core.Act{&forth, &home} {
		a.Rollout, a.Target.Name = strings.Repeat("checkout.", 22)+"-production-7", strings.Repeat("cell.", 19)
	}
	c.function(func(f *awstest.Function) { f.Aliases["live"].Version = f.Publish("s3://hand/made.zip", "by hand") })
	c.deploy(t.Context(), forth, "")
	c.deploy(t.Context(), home, "")
	c.wantLive("3")
}

// TestLambdaOutdated: a look that shows what was there a moment ago is never taken for the truth.
func TestLambdaOutdated(t *testing.T) {
	c := newLambda(t, core.Lambda{Steps: []core.Ratio{0.1}})
	show := func(late int) { // as if all looks of the act before had been up to date, and the next ones are not
		c.function(func(f *awstest.Function) {
			a := f.Aliases["live"]
			a.Late = late
			a.Outdate()
		})
	}
	c.deploy(t.Context(), act(), "")
	show(2)
	c.deploy(t.Context(), back(), "")
	c.wantLive("1")
	show(2)
	c.deploy(t.Context(), again(act()), "")
	c.wantLive("2")
}
