package core

import (
	"fmt"
	"strings"
)

// filled are what {{NAME}} stands for in the options of a driver, beside {{labels.NAME}}.
var filled = map[string]func(Act) string{
	"target":  func(a Act) string { return a.Target.Name },
	"version": func(a Act) string { return a.Version },
}

// labelsDot begins the name of a label.
const labelsDot = "labels."

// Fill puts what an act is about into a text of a driver's options: {{target}}, {{version}}, {{labels.NAME}}. What it puts
// in is data, and is not looked at again. A label that the target lacks is an error.
func (a Act) Fill(text string) (string, error) {
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, tail, _ := strings.Cut(after, "}}")
		if label, ok := strings.CutPrefix(name, labelsDot); ok {
			value, has := a.Target.Labels[label]
			if !has {
				return "", fmt.Errorf("the target %s has no label %s, which %q needs", a.Target.Name, label, text)
			}
			b.WriteString(value)
		} else if value := filled[name]; value != nil {
			b.WriteString(value(a))
		} else {
			return "", fmt.Errorf("nobody knows {{%s}}; known: {{target}}, {{version}}, {{labels.NAME}}", name)
		}
		rest = tail
	}
}
