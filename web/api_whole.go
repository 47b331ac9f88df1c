package web

import "reflect"

// whole is the value with each list and map that is nil made an empty one, as
// the schemas say: a program that goes through a list must not meet null. What
// may be left out still is. What it was given is not changed.
func whole(v any) any {
	if v == nil {
		return nil
	}
	return wholeValue(reflect.ValueOf(v)).Interface()
}

func wholeValue(v reflect.Value) reflect.Value {
	if !hasLists(v.Type(), 0) {
		return v
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(wholeValue(v.Elem()))
		return p
	case reflect.Struct:
		s := reflect.New(v.Type()).Elem()
		s.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.Field(i).Set(wholeValue(v.Field(i)))
			}
		}
		return s
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			s.Index(i).Set(wholeValue(v.Index(i)))
		}
		return s
	case reflect.Map:
		if v.IsNil() {
			return reflect.MakeMap(v.Type())
		}
	}
	return v
}

// hasLists reports whether a type has lists or maps in it. Types that contain
// themselves are not among those that are sent; the depth is bounded anyway.
func hasLists(t reflect.Type, depth int) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return true
	case reflect.Pointer:
		return depth < 8 && hasLists(t.Elem(), depth+1)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && depth < 8 && hasLists(f.Type, depth+1) {
				return true
			}
		}
	}
	return false
}
