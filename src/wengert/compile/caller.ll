; The builtin function behind every entry, and what it consists of: see caller.py, which says what is
; in the table that it follows, and puts numbers in the place of the names between two signs @.

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyList_New(i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare i64 @PyList_Size(ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyDict_GetItem(ptr, ptr)
declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)
declare i64 @PyDict_Size(ptr)
declare i32 @PyUnicode_Compare(ptr, ptr)
declare ptr @PyBytes_FromStringAndSize(ptr, i64)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyArray_Scalar(ptr, ptr, ptr)
@ndarray = external global i8
@str = external global i8

; Word k of a table: as a number, and as a pointer.
define internal i64 @word(ptr %t, i64 %k) alwaysinline nounwind {
  %p = getelementptr i64, ptr %t, i64 %k
  %v = load i64, ptr %p
  ret i64 %v
}
define internal ptr @pointer(ptr %t, i64 %k) alwaysinline nounwind {
  %p = getelementptr ptr, ptr %t, i64 %k
  %v = load ptr, ptr %p
  ret ptr %v
}
define internal void @put(ptr %t, i64 %k, ptr %v) alwaysinline nounwind {
  %p = getelementptr ptr, ptr %t, i64 %k
  store ptr %v, ptr %p
  ret void
}
; A field of an object.
define internal ptr @field(ptr %o, i64 %offset) alwaysinline nounwind {
  %p = getelementptr i8, ptr %o, i64 %offset
  %v = load ptr, ptr %p
  ret ptr %v
}
define internal i32 @small(ptr %o, i64 %offset) alwaysinline nounwind {
  %p = getelementptr i8, ptr %o, i64 %offset
  %v = load i32, ptr %p
  ret i32 %v
}

; Whether n bytes are the same in two places.
define internal i1 @equal(ptr %a, ptr %b, i64 %n) noinline nounwind {
start:
  %words = lshr i64 %n, 3
  br label %many
many:
  %k = phi i64 [ 0, %start ], [ %k1, %some ]
  %d = phi i64 [ 0, %start ], [ %d1, %some ]
  %on = icmp ult i64 %k, %words
  br i1 %on, label %some, label %bytes
some:
  %pa = getelementptr i64, ptr %a, i64 %k
  %pb = getelementptr i64, ptr %b, i64 %k
  %va = load i64, ptr %pa, align 1
  %vb = load i64, ptr %pb, align 1
  %x = xor i64 %va, %vb
  %d1 = or i64 %d, %x
  %k1 = add i64 %k, 1
  br label %many
bytes:
  %begin = shl i64 %words, 3
  br label %few
few:
  %j = phi i64 [ %begin, %bytes ], [ %j1, %one ]
  %e = phi i64 [ %d, %bytes ], [ %e1, %one ]
  %left = icmp ult i64 %j, %n
  br i1 %left, label %one, label %end
one:
  %qa = getelementptr i8, ptr %a, i64 %j
  %qb = getelementptr i8, ptr %b, i64 %j
  %wa = load i8, ptr %qa
  %wb = load i8, ptr %qb
  %y = xor i8 %wa, %wb
  %z = zext i8 %y to i64
  %e1 = or i64 %e, %z
  %j1 = add i64 %j, 1
  br label %few
end:
  %same = icmp eq i64 %e, 0
  ret i1 %same
}

; Whether two keys of dicts are the same object, or strings that are equal.
define internal i1 @same_key(ptr %a, ptr %b) noinline nounwind {
  %same = icmp eq ptr %a, %b
  br i1 %same, label %yes, label %look
look:
  %ta = call ptr @field(ptr %a, i64 @TYPE@)
  %tb = call ptr @field(ptr %b, i64 @TYPE@)
  %sa = icmp eq ptr %ta, @str
  %sb = icmp eq ptr %tb, @str
  %strings = and i1 %sa, %sb
  br i1 %strings, label %compare, label %no
compare:
  %order = call i32 @PyUnicode_Compare(ptr %a, ptr %b)
  %equal = icmp eq i32 %order, 0
  ret i1 %equal
yes:
  ret i1 true
no:
  ret i1 false
}

; Give up some objects.
define internal void @drop(ptr %objects, i64 %from, i64 %to) noinline nounwind {
start:
  br label %next
next:
  %k = phi i64 [ %from, %start ], [ %k1, %one ]
  %on = icmp slt i64 %k, %to
  br i1 %on, label %one, label %end
one:
  %o = call ptr @pointer(ptr %objects, i64 %k)
  call void @Py_DecRef(ptr %o)
  %k1 = add i64 %k, 1
  br label %next
end:
  ret void
}

; The checks; the objects that they find, the pointers to the inputs' data.
define internal i1 @fits(ptr %t, ptr %objects, ptr %inputs, ptr %own) noinline nounwind {
start:
  %overflow = alloca i32
  %position = alloca i64
  %key = alloca ptr
  %held = alloca ptr
  br label %next
next:
  %at = phi i64 [ @first@, %start ], [ %same_next, %same ], [ %array_next, %array_data ],
    [ %value_next, %value_data ], [ %int_next, %int_data ], [ %bool_next, %bool_data ],
    [ %list_next, %list_end ], [ %tuple_next, %tuple_end ], [ %dict_next, %dict_end ],
    [ %cell_next, %cell_found ], [ %global_next, %global_found ], [ %content_next, %content_end ]
  %kind = call i64 @word(ptr %t, i64 %at)
  %more = icmp ne i64 %kind, 0
  br i1 %more, label %check, label %yes
check:
  %at1 = add i64 %at, 1
  %at2 = add i64 %at, 2
  %at3 = add i64 %at, 3
  %at4 = add i64 %at, 4
  %at5 = add i64 %at, 5
  %at6 = add i64 %at, 6
  %at7 = add i64 %at, 7
  %at8 = add i64 %at, 8
  %place = call i64 @word(ptr %t, i64 %at1)
  %first = call ptr @pointer(ptr %t, i64 %at2)
  %number = call i64 @word(ptr %t, i64 %at2)
  switch i64 %kind, label %no [
    i64 1, label %same
    i64 2, label %array
    i64 3, label %value
    i64 4, label %int
    i64 5, label %bool
    i64 6, label %list
    i64 7, label %tuple
    i64 8, label %dict
    i64 9, label %cell
    i64 10, label %global
    i64 11, label %content
  ]

same:
  %same_object = call ptr @pointer(ptr %objects, i64 %place)
  %same_next = add i64 %at, 3
  %is_same = icmp eq ptr %same_object, %first
  br i1 %is_same, label %next, label %no

array:
  %a = call ptr @pointer(ptr %objects, i64 %place)
  %a_type = call ptr @field(ptr %a, i64 @TYPE@)
  %a_is = icmp eq ptr %a_type, @ndarray
  br i1 %a_is, label %array_head, label %no
array_head:
  %a_descr = call ptr @field(ptr %a, i64 @DESCR@)
  %a_ndim = call i32 @small(ptr %a, i64 @NDIM@)
  %a_flags = call i32 @small(ptr %a, i64 @FLAGS@)
  %a_one = call ptr @pointer(ptr %t, i64 %at3)
  %a_other = call ptr @pointer(ptr %t, i64 %at4)
  %a_axes = call i64 @word(ptr %t, i64 %at5)
  %a_is_one = icmp eq ptr %a_descr, %a_one
  %a_is_other = icmp eq ptr %a_descr, %a_other
  %a_dtype = or i1 %a_is_one, %a_is_other
  %a_ndim64 = sext i32 %a_ndim to i64
  %a_same_axes = icmp eq i64 %a_ndim64, %a_axes
  %a_mask = call i64 @word(ptr %t, i64 %at6)
  %a_wanted_flags = call i64 @word(ptr %t, i64 %at7)
  %a_flags64 = sext i32 %a_flags to i64
  %a_masked = and i64 %a_flags64, %a_mask
  %a_suits = icmp eq i64 %a_masked, %a_wanted_flags
  %a_and = and i1 %a_dtype, %a_same_axes
  %a_fine = and i1 %a_and, %a_suits
  br i1 %a_fine, label %array_shape, label %no
array_shape:
  %a_shape = call ptr @field(ptr %a, i64 @SHAPE@)
  br label %array_axis
array_axis:
  %a_k = phi i64 [ 0, %array_shape ], [ %a_k1, %array_extent ]
  %a_left = icmp ult i64 %a_k, %a_axes
  br i1 %a_left, label %array_extent, label %array_data
array_extent:
  %a_extent = call i64 @word(ptr %a_shape, i64 %a_k)
  %a_where = add i64 %at8, %a_k
  %a_wanted = call i64 @word(ptr %t, i64 %a_where)
  %a_k1 = add i64 %a_k, 1
  %a_agrees = icmp eq i64 %a_extent, %a_wanted
  br i1 %a_agrees, label %array_axis, label %no
array_data:
  %a_data = call ptr @field(ptr %a, i64 @DATA@)
  call void @put(ptr %inputs, i64 %number, ptr %a_data)
  %array_next = add i64 %at8, %a_axes
  br label %next

value:
  %v = call ptr @pointer(ptr %objects, i64 %place)
  %v_type = call ptr @field(ptr %v, i64 @TYPE@)
  %v_one = call ptr @pointer(ptr %t, i64 %at3)
  %v_other = call ptr @pointer(ptr %t, i64 %at4)
  %v_is_one = icmp eq ptr %v_type, %v_one
  %v_is_other = icmp eq ptr %v_type, %v_other
  %v_is = or i1 %v_is_one, %v_is_other
  br i1 %v_is, label %value_data, label %no
value_data:
  %v_data = getelementptr i8, ptr %v, i64 @VALUE@
  call void @put(ptr %inputs, i64 %number, ptr %v_data)
  %value_next = add i64 %at, 5
  br label %next

int:
  %i = call ptr @pointer(ptr %objects, i64 %place)
  %i_type = call ptr @field(ptr %i, i64 @TYPE@)
  %i_wanted = call ptr @pointer(ptr %t, i64 %at3)
  %i_is = icmp eq ptr %i_type, %i_wanted
  br i1 %i_is, label %int_value, label %no
int_value:
  %i_number = call i64 @PyLong_AsLongLongAndOverflow(ptr %i, ptr %overflow)
  %i_over = load i32, ptr %overflow
  %i_fits = icmp eq i32 %i_over, 0
  br i1 %i_fits, label %int_data, label %no
int_data:
  %i_own = getelementptr i64, ptr %own, i64 %number
  store i64 %i_number, ptr %i_own
  call void @put(ptr %inputs, i64 %number, ptr %i_own)
  %int_next = add i64 %at, 4
  br label %next

bool:
  %b = call ptr @pointer(ptr %objects, i64 %place)
  %b_type = call ptr @field(ptr %b, i64 @TYPE@)
  %b_one = call ptr @pointer(ptr %t, i64 %at3)
  %b_other = call ptr @pointer(ptr %t, i64 %at4)
  %b_python = call ptr @pointer(ptr %t, i64 %at5)
  %b_true = call ptr @pointer(ptr %t, i64 %at6)
  %b_is_one = icmp eq ptr %b_type, %b_one
  %b_is_other = icmp eq ptr %b_type, %b_other
  %b_is = or i1 %b_is_one, %b_is_other
  br i1 %b_is, label %bool_data, label %no
bool_data:
  ; Python's bool holds no byte.
  %b_own = getelementptr i64, ptr %own, i64 %number
  %b_holds = icmp eq ptr %b, %b_true
  %b_byte = zext i1 %b_holds to i8
  store i8 %b_byte, ptr %b_own
  %b_inside = getelementptr i8, ptr %b, i64 @VALUE@
  %b_pythons = icmp eq ptr %b_type, %b_python
  %b_data = select i1 %b_pythons, ptr %b_own, ptr %b_inside
  call void @put(ptr %inputs, i64 %number, ptr %b_data)
  %bool_next = add i64 %at, 7
  br label %next

list:
  %l = call ptr @pointer(ptr %objects, i64 %place)
  %l_type = call ptr @field(ptr %l, i64 @TYPE@)
  %l_count = call i64 @word(ptr %t, i64 %at3)
  %l_to = call i64 @word(ptr %t, i64 %at4)
  %l_is = icmp eq ptr %l_type, %first
  br i1 %l_is, label %list_size, label %no
list_size:
  %l_size = call i64 @PyList_Size(ptr %l)
  %l_same = icmp eq i64 %l_size, %l_count
  br i1 %l_same, label %list_item, label %no
list_item:
  %l_k = phi i64 [ 0, %list_size ], [ %l_k1, %list_one ]
  %l_left = icmp slt i64 %l_k, %l_count
  br i1 %l_left, label %list_one, label %list_end
list_one:
  %l_item = call ptr @PyList_GetItem(ptr %l, i64 %l_k)
  %l_where = add i64 %l_to, %l_k
  call void @put(ptr %objects, i64 %l_where, ptr %l_item)
  %l_k1 = add i64 %l_k, 1
  br label %list_item
list_end:
  %list_next = add i64 %at, 5
  br label %next

tuple:
  %u = call ptr @pointer(ptr %objects, i64 %place)
  %u_type = call ptr @field(ptr %u, i64 @TYPE@)
  %u_count = call i64 @word(ptr %t, i64 %at3)
  %u_to = call i64 @word(ptr %t, i64 %at4)
  %u_is = icmp eq ptr %u_type, %first
  br i1 %u_is, label %tuple_size, label %no
tuple_size:
  %u_size = call i64 @PyTuple_Size(ptr %u)
  %u_same = icmp eq i64 %u_size, %u_count
  br i1 %u_same, label %tuple_item, label %no
tuple_item:
  %u_k = phi i64 [ 0, %tuple_size ], [ %u_k1, %tuple_one ]
  %u_left = icmp slt i64 %u_k, %u_count
  br i1 %u_left, label %tuple_one, label %tuple_end
tuple_one:
  %u_item = call ptr @PyTuple_GetItem(ptr %u, i64 %u_k)
  %u_where = add i64 %u_to, %u_k
  call void @put(ptr %objects, i64 %u_where, ptr %u_item)
  %u_k1 = add i64 %u_k, 1
  br label %tuple_item
tuple_end:
  %tuple_next = add i64 %at, 5
  br label %next

dict:
  %d = call ptr @pointer(ptr %objects, i64 %place)
  %d_type = call ptr @field(ptr %d, i64 @TYPE@)
  %d_count = call i64 @word(ptr %t, i64 %at3)
  %d_to = call i64 @word(ptr %t, i64 %at4)
  %d_is = icmp eq ptr %d_type, %first
  br i1 %d_is, label %dict_size, label %no
dict_size:
  %d_size = call i64 @PyDict_Size(ptr %d)
  %d_same = icmp eq i64 %d_size, %d_count
  store i64 0, ptr %position
  br i1 %d_same, label %dict_item, label %no
dict_item:
  %d_k = phi i64 [ 0, %dict_size ], [ %d_k1, %dict_put ]
  %d_left = icmp slt i64 %d_k, %d_count
  br i1 %d_left, label %dict_one, label %dict_end
dict_one:
  %d_found = call i32 @PyDict_Next(ptr %d, ptr %position, ptr %key, ptr %held)
  %d_is_there = icmp ne i32 %d_found, 0
  br i1 %d_is_there, label %dict_key, label %no
dict_key:
  %d_key = load ptr, ptr %key
  %d_key_at = add i64 %at5, %d_k
  %d_wanted = call ptr @pointer(ptr %t, i64 %d_key_at)
  %d_agrees = call i1 @same_key(ptr %d_key, ptr %d_wanted)
  br i1 %d_agrees, label %dict_put, label %no
dict_put:
  %d_value = load ptr, ptr %held
  %d_where = add i64 %d_to, %d_k
  call void @put(ptr %objects, i64 %d_where, ptr %d_value)
  %d_k1 = add i64 %d_k, 1
  br label %dict_item
dict_end:
  %dict_next = add i64 %at5, %d_count
  br label %next

cell:
  %c = call ptr @field(ptr %first, i64 @CELL@)
  %c_is = icmp ne ptr %c, null
  br i1 %c_is, label %cell_found, label %no
cell_found:
  call void @put(ptr %objects, i64 %place, ptr %c)
  %cell_next = add i64 %at, 3
  br label %next

global:
  %g_name = call ptr @pointer(ptr %t, i64 %at3)
  %g = call ptr @PyDict_GetItem(ptr %first, ptr %g_name)
  %g_is = icmp ne ptr %g, null
  br i1 %g_is, label %global_found, label %no
global_found:
  call void @put(ptr %objects, i64 %place, ptr %g)
  %global_next = add i64 %at, 4
  br label %next

content:
  %n = call ptr @pointer(ptr %objects, i64 %place)
  %n_type = call ptr @field(ptr %n, i64 @TYPE@)
  %n_is = icmp eq ptr %n_type, @ndarray
  br i1 %n_is, label %content_head, label %no
content_head:
  %n_descr = call ptr @field(ptr %n, i64 @DESCR@)
  %n_ndim = call i32 @small(ptr %n, i64 @NDIM@)
  %n_ndim64 = sext i32 %n_ndim to i64
  %n_axes = call i64 @word(ptr %t, i64 %at3)
  %n_is_dtype = icmp eq ptr %n_descr, %first
  %n_same_axes = icmp eq i64 %n_ndim64, %n_axes
  %n_fine = and i1 %n_is_dtype, %n_same_axes
  br i1 %n_fine, label %content_shape, label %no
content_shape:
  %n_bytes = shl i64 %n_axes, 3
  %n_shape = call ptr @field(ptr %n, i64 @SHAPE@)
  %n_shape_wanted = getelementptr i64, ptr %t, i64 %at4
  %n_same_shape = call i1 @equal(ptr %n_shape, ptr %n_shape_wanted, i64 %n_bytes)
  br i1 %n_same_shape, label %content_strides, label %no
content_strides:
  %n_strides = call ptr @field(ptr %n, i64 @STRIDES@)
  %n_strides_at = add i64 %at4, %n_axes
  %n_strides_wanted = getelementptr i64, ptr %t, i64 %n_strides_at
  %n_same_strides = call i1 @equal(ptr %n_strides, ptr %n_strides_wanted, i64 %n_bytes)
  br i1 %n_same_strides, label %content_data, label %no
content_data:
  %n_size_at = add i64 %n_strides_at, %n_axes
  %n_size = call i64 @word(ptr %t, i64 %n_size_at)
  %n_data_at = add i64 %n_size_at, 1
  %n_wanted = call ptr @pointer(ptr %t, i64 %n_data_at)
  %n_data = call ptr @field(ptr %n, i64 @DATA@)
  %n_same = call i1 @equal(ptr %n_data, ptr %n_wanted, i64 %n_size)
  br i1 %n_same, label %content_end, label %no
content_end:
  %content_next = add i64 %n_size_at, 2
  br label %next

yes:
  ret i1 true
no:
  ret i1 false
}

; New arrays, and memory for numbers. False with a Python error set.
define internal i1 @make(ptr %t, i64 %count, ptr %outputs, ptr %made, ptr %slots)
    noinline nounwind {
start:
  %from = call i64 @word(ptr %t, i64 @outputs_from@)
  br label %next
next:
  %k = phi i64 [ 0, %start ], [ %k1, %done ]
  %at = phi i64 [ %from, %start ], [ %at_next, %done ]
  %left = icmp slt i64 %k, %count
  br i1 %left, label %one, label %yes
one:
  %k1 = add i64 %k, 1
  %at1 = add i64 %at, 1
  %at2 = add i64 %at, 2
  %dtype = call ptr @pointer(ptr %t, i64 %at)
  %tagged = call i64 @word(ptr %t, i64 %at1)
  %is_array = icmp ne i64 %tagged, 0
  %axes = and i64 %tagged, 4294967295
  %at_next = add i64 %at2, %axes
  br i1 %is_array, label %array, label %number
number:
  %twice = shl i64 %k, 1
  %slot = getelementptr i64, ptr %slots, i64 %twice
  call void @put(ptr %outputs, i64 %k, ptr %slot)
  br label %done
array:
  %shape = getelementptr i64, ptr %t, i64 %at2
  %ndim = trunc i64 %axes to i32
  call void @Py_IncRef(ptr %dtype)
  %new = call ptr @PyArray_NewFromDescr(ptr @ndarray, ptr %dtype, i32 %ndim, ptr %shape, ptr null,
    ptr null, i32 0, ptr null)
  call void @put(ptr %made, i64 %k, ptr %new)
  %is = icmp ne ptr %new, null
  br i1 %is, label %data, label %no
data:
  %elements = call ptr @field(ptr %new, i64 @DATA@)
  call void @put(ptr %outputs, i64 %k, ptr %elements)
  br label %done
done:
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}

; The result, or null with a Python error set. What is on the stack is owned, and so is ``made``.
define internal ptr @result(ptr %t, ptr %made, ptr %slots, ptr %stack) noinline nounwind {
start:
  %from = call i64 @word(ptr %t, i64 @steps_from@)
  %outputs_from = call i64 @word(ptr %t, i64 @outputs_from@)
  br label %next
next:
  %at = phi i64 [ %from, %start ], [ %pushed_next, %push ]
  %sp = phi i64 [ 0, %start ], [ %sp_next, %push ]
  %kind = call i64 @word(ptr %t, i64 %at)
  %at1 = add i64 %at, 1
  %at2 = add i64 %at, 2
  %at3 = add i64 %at, 3
  %more = icmp ne i64 %kind, 0
  br i1 %more, label %step, label %end
step:
  %number = call i64 @word(ptr %t, i64 %at1)
  %object = call ptr @pointer(ptr %t, i64 %at1)
  %base = sub i64 %sp, %number
  switch i64 %kind, label %constant [
    i64 1, label %output
    i64 3, label %tuple
    i64 4, label %list
    i64 5, label %dict
  ]
constant:
  call void @Py_IncRef(ptr %object)
  br label %push
output:
  %array = call ptr @pointer(ptr %made, i64 %number)
  %there = icmp ne ptr %array, null
  br i1 %there, label %given, label %scalar
given:
  call void @put(ptr %made, i64 %number, ptr null)
  br label %push
scalar:
  %dtype = call ptr @pointer(ptr %t, i64 %at2)
  %twice = shl i64 %number, 1
  %slot = getelementptr i64, ptr %slots, i64 %twice
  %boxed = call ptr @PyArray_Scalar(ptr %slot, ptr %dtype, ptr null)
  br label %push
tuple:
  %tuple_new = call ptr @PyTuple_New(i64 %number)
  %tuple_is = icmp ne ptr %tuple_new, null
  br i1 %tuple_is, label %tuple_item, label %error
tuple_item:
  %u = phi i64 [ 0, %tuple ], [ %u1, %tuple_one ]
  %u_left = icmp slt i64 %u, %number
  br i1 %u_left, label %tuple_one, label %push
tuple_one:
  %u_at = add i64 %base, %u
  %u_item = call ptr @pointer(ptr %stack, i64 %u_at)
  call i32 @PyTuple_SetItem(ptr %tuple_new, i64 %u, ptr %u_item)
  %u1 = add i64 %u, 1
  br label %tuple_item
list:
  %list_new = call ptr @PyList_New(i64 %number)
  %list_is = icmp ne ptr %list_new, null
  br i1 %list_is, label %list_item, label %error
list_item:
  %l = phi i64 [ 0, %list ], [ %l1, %list_one ]
  %l_left = icmp slt i64 %l, %number
  br i1 %l_left, label %list_one, label %push
list_one:
  %l_at = add i64 %base, %l
  %l_item = call ptr @pointer(ptr %stack, i64 %l_at)
  call i32 @PyList_SetItem(ptr %list_new, i64 %l, ptr %l_item)
  %l1 = add i64 %l, 1
  br label %list_item
dict:
  %dict_new = call ptr @PyDict_New()
  %dict_is = icmp ne ptr %dict_new, null
  br i1 %dict_is, label %dict_item, label %error
dict_item:
  %d = phi i64 [ 0, %dict ], [ %d1, %dict_one ]
  %d_left = icmp slt i64 %d, %number
  br i1 %d_left, label %dict_one, label %dict_end
dict_one:
  %d_at = add i64 %base, %d
  %d_item = call ptr @pointer(ptr %stack, i64 %d_at)
  %key_at = add i64 %at2, %d
  %key = call ptr @pointer(ptr %t, i64 %key_at)
  %set = call i32 @PyDict_SetItem(ptr %dict_new, ptr %key, ptr %d_item)
  %d1 = add i64 %d, 1
  %set_well = icmp eq i32 %set, 0
  br i1 %set_well, label %dict_item, label %dict_error
dict_error:
  call void @Py_DecRef(ptr %dict_new)
  br label %error
dict_end:
  call void @drop(ptr %stack, i64 %base, i64 %sp)
  %key_next = add i64 %at2, %number
  br label %push
push:
  %value = phi ptr [ %object, %constant ], [ %array, %given ], [ %boxed, %scalar ],
    [ %tuple_new, %tuple_item ], [ %list_new, %list_item ], [ %dict_new, %dict_end ]
  %pop = phi i64 [ 0, %constant ], [ 0, %given ], [ 0, %scalar ],
    [ %number, %tuple_item ], [ %number, %list_item ], [ %number, %dict_end ]
  %pushed_next = phi i64 [ %at2, %constant ], [ %at3, %given ], [ %at3, %scalar ],
    [ %at2, %tuple_item ], [ %at2, %list_item ], [ %key_next, %dict_end ]
  %top = sub i64 %sp, %pop
  %sp_next = add i64 %top, 1
  %got = icmp ne ptr %value, null
  call void @put(ptr %stack, i64 %top, ptr %value)
  br i1 %got, label %next, label %error
error:
  %owned = phi i64 [ %sp, %tuple ], [ %sp, %list ], [ %sp, %dict ], [ %sp, %dict_error ],
    [ %top, %push ]
  call void @drop(ptr %stack, i64 0, i64 %owned)
  ret ptr null
end:
  %done = call ptr @pointer(ptr %stack, i64 0)
  ret ptr %done
}

define ptr @entry(ptr %self, ptr %args, i64 %count, ptr %names) nounwind "no-stack-arg-probe" {
start:
  %packed = call ptr @field(ptr %self, i64 @ITEMS@)
  %t = getelementptr i8, ptr %packed, i64 @BYTES@
  %wanted = call i64 @word(ptr %t, i64 @arguments@)
  %counted = icmp eq i64 %count, %wanted
  %unnamed = icmp eq ptr %names, null
  %called = and i1 %counted, %unnamed
  br i1 %called, label %ready, label %miss
ready:
  %words = call i64 @word(ptr %t, i64 @frame@)
  %frame = alloca i64, i64 %words, align 16
  %inputs_at = call i64 @word(ptr %t, i64 @inputs_at@)
  %inputs = getelementptr i64, ptr %frame, i64 %inputs_at
  %own_at = call i64 @word(ptr %t, i64 @own_at@)
  %own = getelementptr i64, ptr %frame, i64 %own_at
  br label %take
take:
  %a = phi i64 [ 0, %ready ], [ %a1, %taken ]
  %a_left = icmp slt i64 %a, %count
  br i1 %a_left, label %taken, label %check
taken:
  %argument = call ptr @pointer(ptr %args, i64 %a)
  call void @put(ptr %frame, i64 %a, ptr %argument)
  %a1 = add i64 %a, 1
  br label %take
check:
  %fits = call i1 @fits(ptr %t, ptr %frame, ptr %inputs, ptr %own)
  br i1 %fits, label %hold, label %miss

hold:
  %until = call i64 @word(ptr %t, i64 @held@)
  br label %hold_next
hold_next:
  %h = phi i64 [ %count, %hold ], [ %h1, %hold_one ]
  %h_left = icmp slt i64 %h, %until
  br i1 %h_left, label %hold_one, label %constants
hold_one:
  %h_object = call ptr @pointer(ptr %frame, i64 %h)
  call void @Py_IncRef(ptr %h_object)
  %h1 = add i64 %h, 1
  br label %hold_next

constants:
  %given = call i64 @word(ptr %t, i64 @inputs@)
  %more = call i64 @word(ptr %t, i64 @constants@)
  %constants_from = call i64 @word(ptr %t, i64 @constants_from@)
  br label %constant_next
constant_next:
  %c = phi i64 [ 0, %constants ], [ %c1, %constant_one ]
  %c_left = icmp slt i64 %c, %more
  br i1 %c_left, label %constant_one, label %results
constant_one:
  %c_at = add i64 %constants_from, %c
  %c_data = call ptr @pointer(ptr %t, i64 %c_at)
  %c_to = add i64 %given, %c
  call void @put(ptr %inputs, i64 %c_to, ptr %c_data)
  %c1 = add i64 %c, 1
  br label %constant_next

results:
  %many = call i64 @word(ptr %t, i64 @outputs@)
  %outputs_at = call i64 @word(ptr %t, i64 @outputs_at@)
  %outputs = getelementptr i64, ptr %frame, i64 %outputs_at
  %made_at = call i64 @word(ptr %t, i64 @made_at@)
  %made = getelementptr i64, ptr %frame, i64 %made_at
  %slots_at = call i64 @word(ptr %t, i64 @slots_at@)
  %slots = getelementptr i64, ptr %frame, i64 %slots_at
  %stack_at = call i64 @word(ptr %t, i64 @stack_at@)
  %stack = getelementptr i64, ptr %frame, i64 %stack_at
  br label %clear
clear:
  %z = phi i64 [ 0, %results ], [ %z1, %clear_one ]
  %z_left = icmp slt i64 %z, %many
  br i1 %z_left, label %clear_one, label %cleared
clear_one:
  call void @put(ptr %made, i64 %z, ptr null)
  %z1 = add i64 %z, 1
  br label %clear
cleared:
  ; Behind the slots of the numbers: a word for the status, and at a multiple of 16 bytes, as a
  ; complex number may want, the value of a guard.
  %behind = shl i64 %many, 1
  %status_at = add i64 %behind, 1
  %guarded_at = add i64 %behind, 2
  %guarded_more = add i64 %behind, 3
  %report = getelementptr i64, ptr %slots, i64 %status_at
  %guarded = getelementptr i64, ptr %slots, i64 %guarded_at
  call void @put(ptr %slots, i64 %guarded_at, ptr null)
  call void @put(ptr %slots, i64 %guarded_more, ptr null)
  call void @put(ptr %outputs, i64 %many, ptr %guarded)
  %made_all = call i1 @make(ptr %t, i64 %many, ptr %outputs, ptr %made, ptr %slots)
  br i1 %made_all, label %run, label %error

run:
  %kernel = call ptr @pointer(ptr %t, i64 @kernel@)
  %release = call i64 @word(ptr %t, i64 @release@)
  %releases = icmp ne i64 %release, 0
  br i1 %releases, label %run_free, label %run_held
run_held:
  %status_held = call i32 %kernel(ptr %inputs, ptr %outputs)
  br label %ran
run_free:
  %thread = call ptr @PyEval_SaveThread()
  %status_free = call i32 %kernel(ptr %inputs, ptr %outputs)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %ran
ran:
  %status = phi i32 [ %status_held, %run_held ], [ %status_free, %run_free ]
  %succeeded = icmp eq i32 %status, 0
  br i1 %succeeded, label %give, label %failed, !prof !0
give:
  %result = call ptr @result(ptr %t, ptr %made, ptr %slots, ptr %stack)
  %got = icmp ne ptr %result, null
  br i1 %got, label %given_up, label %error
given_up:
  call void @drop(ptr %frame, i64 %count, i64 %until)
  ret ptr %result

failed:
  call void @drop(ptr %made, i64 0, i64 %many)
  call void @drop(ptr %frame, i64 %count, i64 %until)
  %reports = call i64 @word(ptr %t, i64 @report@)
  %is_reported = icmp ne i64 %reports, 0
  br i1 %is_reported, label %tell, label %miss
tell:
  %status64 = sext i32 %status to i64
  store i64 %status64, ptr %report
  %told = call ptr @PyBytes_FromStringAndSize(ptr %report, i64 24)
  ret ptr %told
error:
  call void @drop(ptr %made, i64 0, i64 %many)
  call void @drop(ptr %frame, i64 %count, i64 %until)
  ret ptr null

miss:
  %other = call ptr @pointer(ptr %t, i64 @fallback@)
  %calls = call i64 @word(ptr %t, i64 @calls@)
  %is_called = icmp ne i64 %calls, 0
  br i1 %is_called, label %call, label %say
call:
  ; A tail call, so that nothing returns here: the fallback may give up this very entry.
  %general = musttail call ptr @PyObject_Vectorcall(ptr %other, ptr %args, i64 %count, ptr %names)
  ret ptr %general
say:
  call void @Py_IncRef(ptr %other)
  ret ptr %other
}
!0 = !{!"branch_weights", i32 1000, i32 1}
