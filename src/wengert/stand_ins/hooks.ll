; C functions that look for traced operands: see native.py, which puts numbers in the place of the
; names between two signs @, and adds one function for each hook. A hook has a record of words in
; @records: the original C function, the object to call for traced operands, what the original is
; called on, and the type that a constructor is for.

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare i64 @PyList_Size(ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyObject_Call(ptr, ptr, ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
@records = external global i8
@standing = external global i8
@filled = external global i8
@list = external global i8
@tuple = external global i8
@ndarray = external global i8
@objects = external global i8
@polynomial = external global i8

define internal ptr @word(ptr %record, i64 %k) alwaysinline nounwind {
  %p = getelementptr ptr, ptr %record, i64 %k
  %v = load ptr, ptr %p
  ret ptr %v
}
define internal ptr @field(ptr %o, i64 %offset) alwaysinline nounwind {
  %p = getelementptr i8, ptr %o, i64 %offset
  %v = load ptr, ptr %p
  ret ptr %v
}

; Whether an object is traced, or has a traced one in it: a list, a tuple, an array of objects.
define internal i1 @traced(ptr %o, i32 %depth) nounwind {
start:
  %type = call ptr @field(ptr %o, i64 @TYPE@)
  %meta = call ptr @field(ptr %type, i64 @TYPE@)
  %a = icmp eq ptr %meta, @standing
  %b = icmp eq ptr %type, @filled
  %own = or i1 %a, %b
  br i1 %own, label %yes, label %other
yes:
  ret i1 1
no:
  ret i1 0
other:
  %is_list = icmp eq ptr %type, @list
  br i1 %is_list, label %list, label %not_list
not_list:
  %is_tuple = icmp eq ptr %type, @tuple
  br i1 %is_tuple, label %tuple, label %not_tuple
not_tuple:
  %is_array = icmp eq ptr %type, @ndarray
  br i1 %is_array, label %array, label %not_array
not_array:
  %is_polynomial = icmp eq ptr %type, @polynomial
  ret i1 %is_polynomial
array:
  %dtype = call ptr @field(ptr %o, i64 @DESCR@)
  %c = icmp eq ptr %dtype, @objects
  ret i1 %c
list:
  %list_size = call i64 @PyList_Size(ptr %o)
  br label %items
tuple:
  %tuple_size = call i64 @PyTuple_Size(ptr %o)
  br label %items
items:
  %n = phi i64 [ %list_size, %list ], [ %tuple_size, %tuple ]
  %deep = icmp sgt i32 %depth, 32
  br i1 %deep, label %no, label %loop
loop:
  %i = phi i64 [ 0, %items ], [ %after, %skip ], [ %next, %look ]
  %plain = phi ptr [ null, %items ], [ %plain, %skip ], [ %known, %look ]
  %end = icmp sge i64 %i, %n
  br i1 %end, label %no, label %item
item:
  br i1 %is_list, label %list_item, label %tuple_item
list_item:
  %p = call ptr @PyList_GetItem(ptr %o, i64 %i)
  br label %same
tuple_item:
  %q = call ptr @PyTuple_GetItem(ptr %o, i64 %i)
  br label %same
same:
  %each = phi ptr [ %p, %list_item ], [ %q, %tuple_item ]
  %kind = call ptr @field(ptr %each, i64 @TYPE@)
  %again = icmp eq ptr %kind, %plain
  br i1 %again, label %skip, label %look
skip:
  %after = add i64 %i, 1
  br label %loop
look:
  %below = add i32 %depth, 1
  %inside = call i1 @traced(ptr %each, i32 %below)
  %next = add i64 %i, 1
  ; The type alone says that the next one of it is not traced either, if it is none of these.
  %lists = icmp eq ptr %kind, @list
  %tuples = icmp eq ptr %kind, @tuple
  %arrays = icmp eq ptr %kind, @ndarray
  %nested = or i1 %lists, %tuples
  %holding = or i1 %nested, %arrays
  %known = select i1 %holding, ptr null, ptr %kind
  br i1 %inside, label %yes, label %loop
}

; Whether one of n objects is.
define internal i1 @any(ptr %args, i64 %n) nounwind {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %look ]
  %end = icmp sge i64 %i, %n
  br i1 %end, label %no, label %look
look:
  %p = getelementptr ptr, ptr %args, i64 %i
  %each = load ptr, ptr %p
  %inside = call i1 @traced(ptr %each, i32 0)
  %next = add i64 %i, 1
  br i1 %inside, label %yes, label %loop
yes:
  ret i1 1
no:
  ret i1 0
}

; Whether a value of a dictionary is; null is an empty one.
define internal i1 @any_named(ptr %dictionary) nounwind {
start:
  %none = icmp eq ptr %dictionary, null
  br i1 %none, label %no, label %begin
begin:
  %position = alloca i64
  %key = alloca ptr
  %value = alloca ptr
  store i64 0, ptr %position
  br label %loop
loop:
  %more = call i32 @PyDict_Next(ptr %dictionary, ptr %position, ptr %key, ptr %value)
  %end = icmp eq i32 %more, 0
  br i1 %end, label %no, label %look
look:
  %each = load ptr, ptr %value
  %inside = call i1 @traced(ptr %each, i32 0)
  br i1 %inside, label %yes, label %loop
yes:
  ret i1 1
no:
  ret i1 0
}

; How many arguments are given by name.
define internal i64 @named(ptr %names) alwaysinline nounwind {
start:
  %none = icmp eq ptr %names, null
  br i1 %none, label %done, label %some
some:
  %n = call i64 @PyTuple_Size(ptr %names)
  br label %done
done:
  %k = phi i64 [ 0, %start ], [ %n, %some ]
  ret i64 %k
}

; The stand-in, called on an object and then the arguments.
define internal ptr @behind(ptr %record, ptr %self, ptr %args, i64 %n, ptr %names) nounwind {
  %handler = call ptr @word(ptr %record, i64 1)
  %k = call i64 @named(ptr %names)
  %total = add i64 %n, %k
  %room = add i64 %total, 2
  %all = alloca ptr, i64 %room
  %first = getelementptr ptr, ptr %all, i64 1
  store ptr %self, ptr %first
  %rest = getelementptr ptr, ptr %all, i64 2
  %bytes = mul i64 %total, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %args, i64 %bytes, i1 0)
  %count = add i64 %n, 1
  %r = call ptr @PyObject_Vectorcall(ptr %handler, ptr %first, i64 %count, ptr %names)
  ret ptr %r
}

; The original, of a function that takes a tuple and a dict.
define internal ptr @by_tuple(ptr %record, ptr %args, i64 %n, ptr %names) nounwind {
start:
  %original = call ptr @word(ptr %record, i64 0)
  %self = call ptr @word(ptr %record, i64 2)
  %k = call i64 @named(ptr %names)
  %tuple = call ptr @PyTuple_New(i64 %n)
  %bad = icmp eq ptr %tuple, null
  br i1 %bad, label %error, label %loop
error:
  ret ptr null
loop:
  %i = phi i64 [ 0, %start ], [ %next, %item ]
  %end = icmp sge i64 %i, %n
  br i1 %end, label %keywords, label %item
item:
  %p = getelementptr ptr, ptr %args, i64 %i
  %each = load ptr, ptr %p
  call void @Py_IncRef(ptr %each)
  %set = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %each)
  %next = add i64 %i, 1
  br label %loop
keywords:
  %some = icmp sgt i64 %k, 0
  br i1 %some, label %dict, label %go
dict:
  %d = call ptr @PyDict_New()
  br label %keys
keys:
  %j = phi i64 [ 0, %dict ], [ %after, %key ]
  %last = icmp sge i64 %j, %k
  br i1 %last, label %go, label %key
key:
  %name = call ptr @PyTuple_GetItem(ptr %names, i64 %j)
  %at = add i64 %n, %j
  %q = getelementptr ptr, ptr %args, i64 %at
  %value = load ptr, ptr %q
  %put = call i32 @PyDict_SetItem(ptr %d, ptr %name, ptr %value)
  %after = add i64 %j, 1
  br label %keys
go:
  %dictionary = phi ptr [ null, %keywords ], [ %d, %keys ]
  %r = call ptr %original(ptr %self, ptr %tuple, ptr %dictionary)
  call void @Py_DecRef(ptr %tuple)
  call void @Py_DecRef(ptr %dictionary)
  ret ptr %r
}

; -- the forms: what C functions of each kind are given ---------------------------------------------

define internal ptr @function(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names) alwaysinline {
  %n = and i64 %flagged, 9223372036854775807
  %k = call i64 @named(ptr %names)
  %total = add i64 %n, %k
  %t = call i1 @any(ptr %args, i64 %total)
  br i1 %t, label %traced, label %plain
traced:
  %handler = call ptr @word(ptr %record, i64 1)
  %r = call ptr @PyObject_Vectorcall(ptr %handler, ptr %args, i64 %n, ptr %names)
  ret ptr %r
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call ptr %original(ptr %callable, ptr %args, i64 %flagged, ptr %names)
  ret ptr %p
}

; Whether one of n objects is a list or a tuple with a traced one in it, or a poly1d.
define internal i1 @any_listed(ptr %args, i64 %n) nounwind {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %skip ]
  %end = icmp sge i64 %i, %n
  br i1 %end, label %no, label %item
item:
  %p = getelementptr ptr, ptr %args, i64 %i
  %each = load ptr, ptr %p
  %type = call ptr @field(ptr %each, i64 @TYPE@)
  %is_list = icmp eq ptr %type, @list
  %is_tuple = icmp eq ptr %type, @tuple
  %nested = or i1 %is_list, %is_tuple
  %is_polynomial = icmp eq ptr %type, @polynomial
  %holding = or i1 %nested, %is_polynomial
  br i1 %holding, label %look, label %skip
look:
  %inside = call i1 @traced(ptr %each, i32 0)
  br i1 %inside, label %yes, label %skip
skip:
  %next = add i64 %i, 1
  br label %loop
yes:
  ret i1 1
no:
  ret i1 0
}

; For functions that ask their operands themselves, but not what is in lists. The stand-in is given
; the function first.
define internal ptr @asking(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names) alwaysinline {
  %n = and i64 %flagged, 9223372036854775807
  %k = call i64 @named(ptr %names)
  %total = add i64 %n, %k
  %t = call i1 @any_listed(ptr %args, i64 %total)
  br i1 %t, label %listed, label %plain
listed:
  %r = call ptr @behind(ptr %record, ptr %callable, ptr %args, i64 %n, ptr %names)
  ret ptr %r
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call ptr %original(ptr %callable, ptr %args, i64 %flagged, ptr %names)
  ret ptr %p
}

; Whether one of n objects is an iterator, of which only Python can look at the items.
define internal i1 @any_iterator(ptr %args, i64 %n) nounwind {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %look ]
  %end = icmp sge i64 %i, %n
  br i1 %end, label %no, label %look
look:
  %p = getelementptr ptr, ptr %args, i64 %i
  %each = load ptr, ptr %p
  %type = call ptr @field(ptr %each, i64 @TYPE@)
  %step = call ptr @field(ptr %type, i64 @ITERNEXT@)
  %next = add i64 %i, 1
  %none = icmp eq ptr %step, null
  br i1 %none, label %loop, label %yes
yes:
  ret i1 1
no:
  ret i1 0
}

define internal ptr @function_of_iterator(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names) alwaysinline {
  %n = and i64 %flagged, 9223372036854775807
  %t = call i1 @any_iterator(ptr %args, i64 %n)
  br i1 %t, label %yes, label %no
yes:
  %handler = call ptr @word(ptr %record, i64 1)
  %r = call ptr @PyObject_Vectorcall(ptr %handler, ptr %args, i64 %n, ptr %names)
  ret ptr %r
no:
  %s = call ptr @function(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names)
  ret ptr %s
}

define internal ptr @function_of_tuple_of_iterator(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names) alwaysinline {
  %n = and i64 %flagged, 9223372036854775807
  %t = call i1 @any_iterator(ptr %args, i64 %n)
  br i1 %t, label %yes, label %no
yes:
  %handler = call ptr @word(ptr %record, i64 1)
  %r = call ptr @PyObject_Vectorcall(ptr %handler, ptr %args, i64 %n, ptr %names)
  ret ptr %r
no:
  %s = call ptr @function_of_tuple(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names)
  ret ptr %s
}

define internal ptr @function_of_tuple(ptr %record, ptr %callable, ptr %args, i64 %flagged, ptr %names) alwaysinline {
  %n = and i64 %flagged, 9223372036854775807
  %k = call i64 @named(ptr %names)
  %total = add i64 %n, %k
  %t = call i1 @any(ptr %args, i64 %total)
  br i1 %t, label %traced, label %plain
traced:
  %handler = call ptr @word(ptr %record, i64 1)
  %r = call ptr @PyObject_Vectorcall(ptr %handler, ptr %args, i64 %n, ptr %names)
  ret ptr %r
plain:
  %refusing = call ptr @word(ptr %record, i64 3)
  %takes_none = icmp ne ptr %refusing, null
  %given = icmp sgt i64 %k, 0
  %bad = and i1 %takes_none, %given
  br i1 %bad, label %refused, label %usual
refused:
  %e = call ptr @PyObject_Vectorcall(ptr %refusing, ptr %args, i64 %n, ptr %names)
  ret ptr %e
usual:
  %p = tail call ptr @by_tuple(ptr %record, ptr %args, i64 %n, ptr %names)
  ret ptr %p
}

define internal ptr @method_keywords(ptr %record, ptr %self, ptr %args, i64 %n, ptr %names) alwaysinline {
  %k = call i64 @named(ptr %names)
  %total = add i64 %n, %k
  %t = call i1 @any(ptr %args, i64 %total)
  br i1 %t, label %traced, label %plain
traced:
  %r = call ptr @behind(ptr %record, ptr %self, ptr %args, i64 %n, ptr %names)
  ret ptr %r
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call ptr %original(ptr %self, ptr %args, i64 %n, ptr %names)
  ret ptr %p
}

; Also for what takes a tuple alone, and takes no notice of a further argument.
define internal ptr @method_dictionary(ptr %record, ptr %self, ptr %args, ptr %dictionary) alwaysinline {
start:
  %t = call i1 @traced(ptr %args, i32 0)
  br i1 %t, label %traced, label %look_at_named
look_at_named:
  %u = call i1 @any_named(ptr %dictionary)
  br i1 %u, label %traced, label %plain
traced:
  %handler = call ptr @word(ptr %record, i64 1)
  %n = call i64 @PyTuple_Size(ptr %args)
  %m = add i64 %n, 1
  %all = call ptr @PyTuple_New(i64 %m)
  call void @Py_IncRef(ptr %self)
  %first = call i32 @PyTuple_SetItem(ptr %all, i64 0, ptr %self)
  br label %loop
loop:
  %i = phi i64 [ 0, %traced ], [ %next, %item ]
  %end = icmp sge i64 %i, %n
  br i1 %end, label %go, label %item
item:
  %each = call ptr @PyTuple_GetItem(ptr %args, i64 %i)
  call void @Py_IncRef(ptr %each)
  %next = add i64 %i, 1
  %set = call i32 @PyTuple_SetItem(ptr %all, i64 %next, ptr %each)
  br label %loop
go:
  %r = call ptr @PyObject_Call(ptr %handler, ptr %all, ptr %dictionary)
  call void @Py_DecRef(ptr %all)
  ret ptr %r
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call ptr %original(ptr %self, ptr %args, ptr %dictionary)
  ret ptr %p
}

define internal ptr @getitem(ptr %record, ptr %self, ptr %key) alwaysinline {
  %t = call i1 @traced(ptr %key, i32 0)
  br i1 %t, label %traced, label %plain
traced:
  %room = alloca ptr
  store ptr %key, ptr %room
  %r = call ptr @behind(ptr %record, ptr %self, ptr %room, i64 1, ptr null)
  ret ptr %r
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call ptr %original(ptr %self, ptr %key)
  ret ptr %p
}

define internal i32 @setitem(ptr %record, ptr %self, ptr %key, ptr %value) alwaysinline {
  %delete = icmp eq ptr %value, null
  br i1 %delete, label %plain, label %look
look:
  %t = call i1 @traced(ptr %value, i32 0)
  br i1 %t, label %traced, label %look_at_key
look_at_key:
  %u = call i1 @traced(ptr %key, i32 0)
  br i1 %u, label %traced, label %plain
traced:
  %room = alloca ptr, i64 2
  store ptr %key, ptr %room
  %second = getelementptr ptr, ptr %room, i64 1
  store ptr %value, ptr %second
  %r = call ptr @behind(ptr %record, ptr %self, ptr %room, i64 2, ptr null)
  %bad = icmp eq ptr %r, null
  br i1 %bad, label %error, label %done
error:
  ret i32 -1
done:
  call void @Py_DecRef(ptr %r)
  ret i32 0
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call i32 %original(ptr %self, ptr %key, ptr %value)
  ret i32 %p
}

; The last argument belongs to the attribute.
define internal i32 @setter(ptr %record, ptr %self, ptr %value, ptr %closure) alwaysinline {
  %delete = icmp eq ptr %value, null
  br i1 %delete, label %plain, label %look
look:
  %t = call i1 @traced(ptr %value, i32 0)
  br i1 %t, label %traced, label %plain
traced:
  %room = alloca ptr
  store ptr %value, ptr %room
  %r = call ptr @behind(ptr %record, ptr %self, ptr %room, i64 1, ptr null)
  %bad = icmp eq ptr %r, null
  br i1 %bad, label %error, label %done
error:
  ret i32 -1
done:
  call void @Py_DecRef(ptr %r)
  ret i32 0
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call i32 %original(ptr %self, ptr %value, ptr %closure)
  ret i32 %p
}

define internal ptr @construct(ptr %record, ptr %kind, ptr %args, ptr %dictionary) alwaysinline {
  %for = call ptr @word(ptr %record, i64 3)
  %same = icmp eq ptr %kind, %for
  br i1 %same, label %look, label %plain
look:
  %t = call i1 @traced(ptr %args, i32 0)
  br i1 %t, label %traced, label %look_at_named
look_at_named:
  %u = call i1 @any_named(ptr %dictionary)
  br i1 %u, label %traced, label %plain
traced:
  %handler = call ptr @word(ptr %record, i64 1)
  %r = call ptr @PyObject_Call(ptr %handler, ptr %args, ptr %dictionary)
  ret ptr %r
plain:
  %original = call ptr @word(ptr %record, i64 0)
  %p = tail call ptr %original(ptr %kind, ptr %args, ptr %dictionary)
  ret ptr %p
}
