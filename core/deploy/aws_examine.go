package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// An audit is a look at whether an act on AWS would be let do its work. It only reads.
type audit struct {
	driver string
	place  string // what is looked at, for people
	region string
	who    aws.Identity
	needs  []string // all actions that acts with these options may need, as far as is known
	asked  []string // actions that were tried, as IAM knows them
	denied []string // those of them that are not permitted
	gone   bool     // something is not there
	mute   bool     // AWS has not answered
	found  []core.Diagnosis
}

// place names what an act is done to, and on which way, by texts of the options.
func (a *amazon) place(act core.Act, texts ...string) (string, error) {
	texts = append(texts, a.Region, a.Role, a.Account)
	for i, text := range texts {
		var err error
		if texts[i], err = act.Fill(text); err != nil {
			return "", err
		}
	}
	return strings.Join(texts, "\n"), nil
}

// examine says who we are on the way to the target of an act, and has look try what only reads. needs are all the actions that
// acts with these options may need; look may find that it takes more.
func (a *amazon) examine(ctx context.Context, act core.Act, driver string, needs []string, open func(context.Context) error, look func(*audit)) []core.Diagnosis {
	t := &audit{driver: driver, needs: needs}
	way, err := a.session(ctx, act)
	if err == nil {
		t.who, err = way.Identify(ctx)
	}
	if err == nil {
		err = open(ctx)
	}
	if err != nil {
		t.problem("See that the plan names region, role and account right, and that the job has credentials; docs/aws.md says where they come from.",
			"Nothing could be looked at for the target %s: %v", act.Target.Name, err)
		return t.found
	}
	t.region = way.Config.Region
	t.found = append(t.found, core.Well("aws", "We are %s.", t.who.ARN))
	look(t)
	if permitted := t.without(t.asked, t.denied); len(permitted) > 0 {
		t.found = append(t.found, core.Well(driver, "On the %s in %s AWS permits %s.", t.place, t.region, strings.Join(permitted, ", ")))
	}
	if untried := t.without(t.needs, t.asked); len(untried) > 0 {
		t.found = append(t.found, core.Diagnosis{About: driver, Health: core.HealthUntried,
			What: "Not tried, as it changes something or there is nothing yet to try it on: " + strings.Join(untried, ", ") + ".",
			Do:   "See that the role has these as well; docs/drivers.md has its policy."})
	}
	return t.found
}

// without are the actions of one list that are not in another, sorted.
func (*audit) without(list, other []string) []string {
	left := slices.DeleteFunc(slices.Clone(list), func(action string) bool { return slices.Contains(other, action) })
	slices.Sort(left)
	return slices.Compact(left)
}

func (t *audit) problem(do, format string, args ...any) {
	what := strings.TrimSuffix(shell.OneLine(fmt.Sprintf(format, args...)), ".") + "."
	t.found = append(t.found, core.Diagnosis{About: t.driver, Health: core.HealthProblem, What: what, Do: do})
}

// refused says that the driver would not deploy as things are.
func (t *audit) refused(why error) {
	t.problem("Mend that before a rollout.", "A rollout would be refused: %v", why)
}

// absent are the names that services give to what is not there.
var absent = []string{"ResourceNotFoundException", "ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException",
	"PipelineNotFoundException", "ClusterNotFoundException"}

// try makes a call of one action on a resource, and reports whether it was answered. A resource is what follows region and
// account in its ARN, or an ARN, or "*".
func (t *audit) try(action, resource string, call func() error) bool {
	if t.mute {
		return false
	}
	err := call()
	if err == nil {
		t.asked = append(t.asked, action)
		return true
	}
	_, none := errors.AsType[missing](err)
	switch {
	case aws.Denied(err):
		t.asked, t.denied = append(t.asked, action), append(t.denied, action)
		t.problem("Give the role that action; docs/drivers.md has its whole policy.", "%v",
			aws.Refused("let us look at the "+t.place, action+" on "+t.arn(action, resource), err))
	case none || slices.Contains(absent, aws.Code(err)):
		t.asked = append(t.asked, action)
		if !t.gone {
			t.problem("Create it, or mend its name or the region in the plan.", "There is no %s in %s, account %s: %v", t.place, t.region, t.who.Account, said(err))
		}
		t.gone = true
	default:
		t.mute = aws.Code(err) == ""
		t.problem("Run the doctor again; if this stays, a rollout would fail the same way.", "The %s in %s could not be looked at: %v", t.place, t.region, said(err))
	}
	return false
}

// arn is a resource as policies name it.
func (t *audit) arn(action, resource string) string {
	if resource == "*" || isARN(resource) {
		return resource
	}
	partition := "aws"
	if parts := strings.Split(t.who.ARN, ":"); len(parts) > 1 {
		partition = parts[1]
	}
	service, _, _ := strings.Cut(action, ":")
	return strings.Join([]string{"arn", partition, service, t.region, t.who.Account, resource}, ":")
}

// isARN reports whether a name in the options of a driver is one already.
func isARN(name string) bool { return strings.HasPrefix(name, "arn:") }
